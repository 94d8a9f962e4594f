"""Publishing alone asks again whether what it builds on passed its blocking checks."""

from collections.abc import Iterator
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


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def run(instance: dg.DagsterInstance, selection: Any, passed: bool = True) -> None:
    checked = selection is not None and selection != dg.AssetSelection.assets(months).without_checks()
    config = {"ops": {"months_sound": {"config": {"passed": passed}}}} if checked else {}
    job = dg.Definitions(
        assets=[months], asset_checks=[sound], jobs=[dg.define_asset_job("job", selection=selection)]
    ).resolve_job_def("job")
    job.execute_in_process(instance=instance, run_config=config, raise_on_error=False)


EVERYTHING = dg.AssetSelection.all()
ALONE = dg.AssetSelection.assets(months).without_checks()


def test_a_check_that_passed_on_what_is_stored_lets_pass(instance: dg.DagsterInstance) -> None:
    run(instance, EVERYTHING)
    refuse_unverified(instance, [KEY])


def test_a_failed_check_refuses_in_a_later_run_too(instance: dg.DagsterInstance) -> None:
    run(instance, EVERYTHING)
    run(instance, EVERYTHING, passed=False)
    with pytest.raises(ReleaseError, match="the check sound of months failed"):
        refuse_unverified(instance, [KEY])


def test_a_check_of_an_earlier_version_does_not_count(instance: dg.DagsterInstance) -> None:
    run(instance, EVERYTHING)
    run(instance, ALONE)
    with pytest.raises(ReleaseError, match="did not run on what is stored now"):
        refuse_unverified(instance, [KEY])


def test_a_check_that_never_ran_refuses(instance: dg.DagsterInstance) -> None:
    run(instance, ALONE)
    with pytest.raises(ReleaseError, match="never ran"):
        refuse_unverified(instance, [KEY])


def test_what_was_never_stored_refuses(instance: dg.DagsterInstance) -> None:
    with pytest.raises(ReleaseError, match="months was never materialised"):
        refuse_unverified(instance, [KEY])
