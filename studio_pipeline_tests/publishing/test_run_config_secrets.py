"""Run configuration reads no variable of the environment, so no run can show the value of one."""

import traceback
from typing import Any

import dagster as dg
import pytest

from studio_pipeline.automation.jobs import ROLLBACK_OP, ROLLBACK_RELEASE
from studio_pipeline.definitions import build_definitions, defs
from studio_pipeline.publishing.releases import publish_release
from studio_pipeline.settings import read_settings
from studio_pipeline_tests.publishing.conftest import make_release

WORD, PIN = "open-sesame-7142", "71427142"
FROM_ENVIRONMENT = {"env": "STUDIO_API_KEYS"}


def version(value: Any) -> dict[str, Any]:
    return {"ops": {ROLLBACK_OP: {"config": {"version": value}}}}


def configuration(**sections: Any) -> dict[str, Any]:
    return {"resources": {"configuration": {"config": sections}}}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """On a home with one release."""
    home = tmp_path_factory.mktemp("home")
    publish_release(home, make_release(home))
    return build_definitions(read_settings(None, home=home, api_keys=()))


def told(definitions: dg.Definitions, job: str, config: dict[str, Any]) -> str:
    """Everything that a run leaves: its error with all causes, and the events of the instance."""
    with dg.DagsterInstance.ephemeral() as instance:
        try:
            definitions.resolve_job_def(job).execute_in_process(instance=instance, run_config=config)
            error = "no error"
        except Exception as caught:  # noqa: BLE001 - the text of any error is examined
            error = "".join(traceback.format_exception(caught))
        events = [dg.serialize_value(e) for run in instance.get_runs() for e in instance.all_logs(run.run_id)]
    return "\n".join([error, *events])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("secret", [WORD, PIN])
@pytest.mark.parametrize(
    ("job", "config"),
    [
        (ROLLBACK_RELEASE, version(FROM_ENVIRONMENT)),
        ("monitor_release", configuration(generator={"last_month": FROM_ENVIRONMENT})),
        ("monitor_release", configuration(generator={"types": [FROM_ENVIRONMENT]})),
        ("monitor_release", configuration(promotion={"spans": [FROM_ENVIRONMENT]})),
        ("monitor_release", configuration(forecasting={"seed": FROM_ENVIRONMENT})),
        ("monitor_release", configuration(tuning={"use_tuned": FROM_ENVIRONMENT})),
        ("monitor_release", {"loggers": {"console": {"config": {"log_level": FROM_ENVIRONMENT}}}}),
    ],
)
def test_no_run_tells_a_variable(definitions, monkeypatch, capfd, job, config, secret) -> None:
    monkeypatch.setenv("STUDIO_API_KEYS", secret)
    text = told(definitions, job, config)
    assert secret not in "\n".join([text, *capfd.readouterr()])
    assert "DagsterInvalidConfigError" in text


@pytest.mark.parametrize("job", [job.name for job in defs.resolve_all_job_defs()])
def test_no_field_of_any_job_resolves_variables(job: str) -> None:
    schema = defs.resolve_job_def(job).run_config_schema.config_type
    resolving = (dg.StringSource, dg.IntSource, dg.BoolSource)
    assert [kind.key for kind in schema.type_iterator() if kind in resolving] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_version_is_still_taken_as_it_is_written(definitions: dg.Definitions) -> None:
    assert "There is no model '9'" in told(definitions, ROLLBACK_RELEASE, version("9"))
