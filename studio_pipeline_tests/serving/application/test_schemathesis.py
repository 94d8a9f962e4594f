"""Schemathesis over the OpenAPI document: no 5xx, no answer that is not documented, with and without keys.

Whatever routes there are, are asked: with their examples, at the edges of what their schemas allow and past
them, with random values, and one after the other where one's answer is the next one's question. What the
schema allows may still be refused (a price beyond what the studio's data carry), so that acceptance is not
checked; that wrong data are refused is.
"""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from live import live, url_of
from openapi_requests import operations
from prometheus_client.parser import text_string_to_metric_families
from small_model import publish_small_chains

from serving.model_store import load_forecaster

COMMAND = (sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()")
CONFIGURATION = Path(__file__).parents[1] / "schemathesis.toml"
HOOKS = Path(__file__).parents[1] / "schemathesis_hooks.py"
FREELY = {"rate_limit": "1000000/second", "log_level": "CRITICAL"}
KEYS = "all,some:chain-a-*"


def fuzz(url: str, home: Path, studio_id: str, *options: str, key: str = "", examples: int = 10) -> None:
    """Run Schemathesis, and fail with what it says where it finds anything."""
    hooks = {"SCHEMATHESIS_HOOKS": str(HOOKS), "STUDIO_THAT_IS_THERE": studio_id}
    done = subprocess.run(
        [
            *(*COMMAND, "--config-file", str(CONFIGURATION), "run", f"{url}/openapi.json"),
            *("--no-color", "--seed", "1", "--suppress-health-check", "all"),
            *("--exclude-checks", "positive_data_acceptance", "--max-examples", str(examples)),
            *(("--header", f"X-API-Key:{key}") if key else ()),
            *options,
        ],
        cwd=home,
        env={**os.environ, **hooks, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "No issues found" in done.stdout or "warning" in done.stdout, done.stdout


def answered(url: str, **headers: str) -> dict[tuple[str, str], set[str]]:
    """Statuses of answers by method and route, from the service's own figures."""
    found: dict[tuple[str, str], set[str]] = {}
    for family in text_string_to_metric_families(httpx.get(f"{url}/metrics", headers=headers).text):
        for sample in family.samples:
            if sample.name == "http_requests_total":
                route = sample.labels["method"], sample.labels["route"]
                found.setdefault(route, set()).add(sample.labels["status"])
    return found


def test_on_this_machine_every_route_is_asked_and_answers(tmp_path: Path) -> None:
    publish_small_chains(tmp_path)
    with live(tmp_path, load_forecaster, **FREELY) as address:
        url = url_of(address)
        fuzz(url, tmp_path, "chain-a-1")
        seen = answered(url)
        for operation in operations(httpx.get(f"{url}/openapi.json").json()):
            statuses = seen[operation.method.upper(), operation.path]
            # What a path or a body names must be made first, by a route that a random request may miss.
            names_another = "{" in operation.path or "scenario_ids" in str(operation.smallest_body("x"))
            assert any(status < "300" for status in statuses) or names_another, operation
            assert "500" not in statuses


def test_with_a_key_for_other_studios(tmp_path: Path) -> None:
    """Without a key there is one answer, which `test_visibility` looks at for every route."""
    publish_small_chains(tmp_path)
    with live(tmp_path, load_forecaster, api_keys=KEYS, **FREELY) as address:
        fuzz(url_of(address), tmp_path, "chain-b-1", "--phases", "examples,fuzzing", key="some")


def test_a_route_that_breaks_its_word_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_small_chains(tmp_path)
    monkeypatch.setattr("serving.routes.studios.describe_studios", lambda _: 1 / 0)
    only = ("--phases", "coverage", "--include-path", "/api/v1/studios")
    found = pytest.raises(AssertionError, match="Server error")
    with live(tmp_path, load_forecaster, **FREELY) as address, found:
        fuzz(url_of(address), tmp_path, "chain-a-1", *only)
