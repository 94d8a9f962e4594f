"""The graph as a whole, against a golden file.

After a change that is meant, renew the file and read its difference before committing it:

    STUDIO_RENEW_GOLDEN=1 pytest studio_pipeline_tests/test_definitions.py
"""

import json
import os
from pathlib import Path

import dagster as dg
import pytest

from studio_pipeline.asset_checks import blocking_check_keys
from studio_pipeline.definitions import build_definitions, defs
from studio_pipeline_tests.serving.processes import python

GOLDEN = Path(__file__).parent / "golden" / "asset_graph.json"


def described_graph() -> dict[str, dict[str, object]]:
    graph = defs.resolve_asset_graph()
    blocking = {key for key in graph.asset_check_keys if graph.get(key).blocking}
    return {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "deps": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "kinds": sorted(graph.get(key).kinds),
            "owners": list(graph.get(key).owners),
            "checks": {
                check.name: "blocks" if check in blocking else "warns"
                for check in sorted(graph.asset_check_keys, key=lambda check: check.name)
                if check.asset_key == key
            },
        }
        for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.to_user_string())
    }


def test_the_graph_is_the_golden_one() -> None:
    described = described_graph()
    if os.environ.get("STUDIO_RENEW_GOLDEN"):
        GOLDEN.write_text(json.dumps(described, indent=1) + "\n")
    assert described == json.loads(GOLDEN.read_text()), __doc__


def test_every_asset_is_described_and_versioned() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.code_version, key
        assert node.tags["stage"] == node.group_name


def test_blocking_checks_come_before_what_they_guard() -> None:
    found = blocking_check_keys(before="registered_model")
    keys = [(key.asset_key.to_user_string(), key.name) for key in found]
    golden = {
        (name, check)
        for name, asset in described_graph().items()
        for check, kind in asset["checks"].items()
        if kind == "blocks" and name not in ("registered_model", "studio_forecasts")
    }
    assert set(keys) == golden
    assert ("validated_studio_months", "few_rows_rejected") in keys


def test_a_refresh_holds_every_asset_but_the_tuning() -> None:
    all_keys = defs.resolve_asset_graph().get_all_asset_keys()
    refresh = defs.resolve_job_def("refresh_release").asset_layer.executable_asset_keys
    tuning = defs.resolve_job_def("tune_learners").asset_layer.executable_asset_keys
    assert {key.to_user_string() for key in all_keys - refresh} == {"tuned_hyperparameters"}
    assert {key.to_user_string() for key in tuning} == {"tuned_hyperparameters"}


def test_importing_reads_and_writes_nothing(tmp_path: Path) -> None:
    code = "import studio_pipeline.definitions, os; print(sorted(os.listdir('.')))"
    nonsense = {"STUDIO_LOG_LEVEL": "nonsense", "STUDIO_CONFIG": str(tmp_path / "absent.yaml")}
    assert python(tmp_path, "-c", code, **nonsense).strip() == "[]"


def test_resources_can_be_overridden() -> None:
    other = dg.InMemoryIOManager()
    assert build_definitions(resources={"io_manager": other}).resources["io_manager"] is other


def test_the_web_ui_loads_the_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    assert "studio_pipeline.definitions" in Path("workspace.yaml").read_text()
    assert defs.resolve_job_def("refresh_release").executor_def is dg.in_process_executor
