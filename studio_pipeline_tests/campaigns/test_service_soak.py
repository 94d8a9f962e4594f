"""The service under many calls, many releases, long fuzzing and a long outage of its database."""

from pathlib import Path

import pytest

from serving.model_store import load_forecaster
from studio_pipeline_tests.serving.application.test_real_server import (
    assert_no_answer_mixes_two_releases,
    swap_under_load,
)
from studio_pipeline_tests.serving.application.test_schemathesis import FREELY, KEYS, fuzz
from studio_pipeline_tests.serving.application.test_schemathesis import url_of as address_of
from studio_pipeline_tests.serving.live import live
from studio_pipeline_tests.serving.postgresql import HOST, PORT, temporary_database, url_of
from studio_pipeline_tests.serving.small_model import publish_small_chains
from studio_pipeline_tests.serving.storage import test_outages
from studio_pipeline_tests.serving.tcp_proxy import tcp_proxy

pytestmark = pytest.mark.campaign


def test_ten_thousand_calls_during_twenty_swaps(tmp_path: Path) -> None:
    answers = swap_under_load(tmp_path, swaps=20, calls_a_swap=500)
    assert_no_answer_mixes_two_releases(answers)
    assert len({model_version for _, model_version, _ in answers}) == 21
    assert len(answers) >= 10_000


@pytest.mark.parametrize("key", ["all", "some"])
def test_fuzzing_for_long_with_a_key_finds_nothing(tmp_path: Path, key: str) -> None:
    publish_small_chains(tmp_path)
    with live(tmp_path, load_forecaster, api_keys=KEYS, **FREELY) as address:
        fuzz(address_of(address), tmp_path, "chain-a-1", key=key, examples=100)


def test_a_database_that_hangs_for_long_costs_no_answer_and_no_entry(tmp_path, monkeypatch) -> None:
    with temporary_database() as name, tcp_proxy(HOST, PORT) as proxy:
        monkeypatch.setenv("STUDIO_DATABASE_URL", url_of(name, proxy.port))
        load = test_outages.run_through_outage(tmp_path, proxy, "freeze", at_least=3000)
        test_outages.assert_all_is_there(name, load)
