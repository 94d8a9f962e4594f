"""Publishing alone asks again whether what it builds on passed its blocking checks."""

from contextlib import nullcontext
from typing import Any

import dagster as dg
import pytest

from studio_pipeline.assets.registry import refuse_unverified
from studio_pipeline.errors import ReleaseError

KEY = dg.AssetCheckKey(dg.AssetKey("months"), "sound")


class Verdict(dg.Config):
    passed: bool = True


@dg.asset
def months() -> None:
    """Stored at once, good or bad."""


@dg.asset_check(asset=months, blocking=True)
def sound(config: Verdict) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=config.passed)


def run(instance: dg.DagsterInstance, selection: Any, passed: bool) -> None:
    config = {"ops": {"months_sound": {"config": {"passed": passed}}}} if selection is EVERYTHING else {}
    job = dg.define_asset_job("job", selection=selection)
    graph = dg.Definitions(assets=[months], asset_checks=[sound], jobs=[job])
    whole = graph.resolve_job_def("job")
    whole.execute_in_process(instance=instance, run_config=config, raise_on_error=False)


EVERYTHING = dg.AssetSelection.all()
ALONE = dg.AssetSelection.assets(months).without_checks()


@pytest.mark.parametrize(
    ("runs", "refused"),
    [
        ([(EVERYTHING, True)], None),
        ([(EVERYTHING, True), (EVERYTHING, False)], "the check sound of months failed"),
        ([(EVERYTHING, True), (ALONE, True)], "did not run on what is stored now"),
        ([(ALONE, True)], "never ran"),
        ([], "months was never materialised"),
    ],
)
def test_only_a_check_that_passed_on_what_is_stored_lets_pass(runs: list[Any], refused: str | None) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for selection, passed in runs:
            run(instance, selection, passed)
        with pytest.raises(ReleaseError, match=refused) if refused else nullcontext():
            refuse_unverified(instance, [KEY])
