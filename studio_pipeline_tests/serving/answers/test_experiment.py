"""Which studios a challenger answers, what it scores unseen, and that it never harms the champion."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fake_forecaster import STUDIOS, publish_fake
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import wait_until

from serving.answers import recording
from serving.experiment import Experiment
from studio_pipeline.errors import QueryError
from studio_pipeline.publishing.layout import model_folder
from studio_pipeline.publishing.releases import Release, publish_release

FORWARD = "/api/v1/predict/forward"
NAMES = [f"studio-{number:05d}" for number in range(2000)]


@given(share=st.floats(0, 1), more=st.floats(0, 1), version=st.text(min_size=1, max_size=70))
@settings(max_examples=40)
def test_a_share_of_the_studios_is_drawn_once_and_for_all(share: float, more: float, version: str) -> None:
    small, large = sorted((share, more))
    drawn = {name for name in NAMES if Experiment("split", small).gives_to_challenger(name, version)}
    with_more = {name for name in NAMES if Experiment("split", large).gives_to_challenger(name, version)}
    assert drawn <= with_more
    # Six standard deviations of a binomial count.
    assert abs(len(drawn) - small * len(NAMES)) <= 6 * (len(NAMES) * small * (1 - small)) ** 0.5 + 1e-9


def test_the_draw_is_the_same_on_every_machine_and_another_for_each_challenger() -> None:
    of_2 = [name for name in NAMES if Experiment("split", 0.1).gives_to_challenger(name, "2")]
    of_3 = [name for name in NAMES if Experiment("split", 0.1).gives_to_challenger(name, "3")]
    assert of_2[:3] == ["studio-00002", "studio-00003", "studio-00027"]
    assert len(set(of_2) & set(of_3)) < 0.3 * len(of_2)


def publish_with_challenger(home: Path, champion: int = 1, challenger: int = 2) -> Release:
    """The challenger's bundle is there from a release of its own, as any bundle is from some run."""
    publish_fake(home, challenger)
    release = publish_fake(home, champion)
    return publish_release(home, replace(release, challenger_model_version=str(challenger)))


@pytest.fixture
def arms() -> dict[str, str]:
    """Model version by studio in a split of halves; both are there, or the tests below would say nothing."""
    halves = Experiment("split", 0.5)
    found = {studio: "2" if halves.gives_to_challenger(studio, "2") else "1" for studio in STUDIOS}
    assert set(found.values()) == {"1", "2"}
    return found


@pytest.mark.parametrize("mode", ["off", "split", "shadow"])
@pytest.mark.parametrize("has_challenger", [False, True])
@pytest.mark.parametrize("pin", [None, "2"])
def test_who_answers(
    client_of, tmp_path: Path, arms: dict[str, str], mode: str, has_challenger: bool, pin: str | None
) -> None:
    publish_with_challenger(tmp_path)
    if not has_challenger:
        publish_fake(tmp_path, 1)
    is_split = mode == "split" and has_challenger and pin is None
    with client_of(ab_mode=mode, challenger_share=0.5, model_version=pin) as client:
        for studio in STUDIOS:
            answer = client.post(FORWARD, json={"studio_id": studio}).json()
            expected = arms[studio] if is_split else pin or "1"
            assert answer["model_version"] == expected
            # The figures are those of the model that is named.
            assert answer["predictions"]["month_1"]["revenue"] // 1000 == int(expected)
        told = client.get("/api/v1/models/current").json()
        assert told["model_version"] == (pin or "1")
        experiment = told["experiment"]
        asked = has_challenger and mode != "off" and pin is None
        assert experiment["challenger_model_version"] == ("2" if asked else None)
        assert experiment["mode"] == ("off" if pin else mode)
        assert "challenger" not in (client.get("/api/v1/health").json()["problem"] or "")


def logged(home: Path) -> list[tuple[Any, ...]]:
    columns = "studio_id, role, model_version, inputs, base_month, made_at"
    with closing(sqlite3.connect(home / "service.db")) as store:
        return store.execute(f"SELECT {columns} FROM predictions").fetchall()  # noqa: S608


def test_cached_and_batched_answers_come_from_the_studio_s_own_model_as_the_log_knows(
    client_of, tmp_path: Path, arms: dict[str, str]
) -> None:
    publish_with_challenger(tmp_path)
    with client_of(ab_mode="split", challenger_share=0.5) as client:
        requests = [{"studio_id": studio} for studio in (*STUDIOS, *STUDIOS)]
        once = [client.post(FORWARD, json=request).json() for request in requests]
        batch = client.post(f"{FORWARD}/batch", json={"requests": requests}).json()["responses"]
        figures = client.get("/metrics").text
    for request, alone, batched in zip(requests, once, batch, strict=True):
        assert alone["model_version"] == batched["model_version"] == arms[request["studio_id"]]
    roles = {"1": "champion", "2": "challenger"}
    expected = sorted(4 * [(studio, roles[version], version) for studio, version in arms.items()])
    assert sorted(row[:3] for row in logged(tmp_path)) == expected
    n_challenger = 4 * list(arms.values()).count("2")
    assert f'studio_answers_total{{event="challenger"}} {n_challenger}.0' in figures


def test_a_shadow_scores_what_the_champion_answers(client_of, tmp_path: Path) -> None:
    publish_with_challenger(tmp_path)
    with client_of(ab_mode="shadow") as client:
        for studio in STUDIOS:
            client.post(FORWARD, json={"studio_id": studio, "levers": {"avg_ticket_price": 120}})
        client.post(f"{FORWARD}/batch", json={"requests": [{"studio_id": STUDIOS[0]}]})
        wait_until(lambda: 'studio_shadow_scores_total{event="scored"} 4.0' in client.get("/metrics").text)
    rows = logged(tmp_path)
    shown, unseen = ([row for row in rows if row[1] == role] for role in ("champion", "challenger"))
    assert {row[2] for row in shown} == {"1"}
    assert {row[2] for row in unseen} == {"2"}
    # The same studio, request, base month and moment: the two can be paired.
    assert len(shown) == 4
    assert sorted((row[0], *row[3:]) for row in shown) == sorted((row[0], *row[3:]) for row in unseen)


def test_too_many_shadows_are_dropped(client_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_WAITING", 0)
    publish_with_challenger(tmp_path)
    with client_of(ab_mode="shadow") as client:
        assert client.post(FORWARD, json={"studio_id": STUDIOS[0]}).status_code == 200
        assert 'studio_shadow_scores_total{event="dropped"} 1.0' in client.get("/metrics").text
    assert [row[1] for row in logged(tmp_path)] == ["champion"]


class LateQueue(SimpleQueue[Any]):
    """What waits in it can't be taken back any more, as when a scorer has just begun to gather it."""

    def get_nowait(self) -> Any:
        raise Empty


def test_what_a_shadow_gathers_while_it_is_closed_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusals(_: object, bodies: list[object]) -> list[QueryError]:
        return [QueryError("No.", "Don't.") for _ in bodies]

    monkeypatch.setattr(recording, "SimpleQueue", LateQueue)
    monkeypatch.setattr(recording, "forward_replies", refusals)
    scores, held = recording.ShadowScorer(cast(Any, None)), cast(Any, SimpleNamespace(shadow=object()))
    for _ in range(3):
        scores.add(held, cast(Any, None), datetime.now(UTC))
    gather = scores._gathered
    monkeypatch.setattr(scores, "_gathered", lambda: time.sleep(0.1) or gather())
    scores.start()
    scores.close()
    assert scores.counters == {"scored": 0, "refused": 3, "dropped": 0}


@pytest.mark.parametrize("mode", ["split", "shadow"])
def test_a_broken_challenger_is_told_and_the_champion_answers(client_of, tmp_path: Path, mode: str) -> None:
    publish_with_challenger(tmp_path)
    (model_folder(tmp_path, "2") / "model.json").write_text('{"number": 3}')
    with client_of(ab_mode=mode, challenger_share=1.0) as client:
        for studio in STUDIOS:
            assert client.post(FORWARD, json={"studio_id": studio}).json()["model_version"] == "1"
        health = client.get("/api/v1/health").json()
    assert health["status"] == "degraded"
    assert "challenger 2" in health["problem"]
    assert str(tmp_path) not in health["problem"]


def test_a_swap_during_an_experiment_mixes_nothing(client_of, tmp_path: Path) -> None:
    publish_with_challenger(tmp_path)
    with client_of(ab_mode="split", challenger_share=1.0) as client:
        assert client.post(FORWARD, json={"studio_id": STUDIOS[0]}).json()["model_version"] == "2"
        release = publish_with_challenger(tmp_path, champion=3, challenger=4)
        wait_until(lambda: client.get("/api/v1/models/current").json()["version"] == release.version)
        answer = client.post(FORWARD, json={"studio_id": STUDIOS[0]}).json()
        assert (answer["model_version"], answer["predictions"]["month_1"]["revenue"] // 1000) == ("4", 4)
        publish_fake(tmp_path, 3)
        wait_until(
            lambda: client.post(FORWARD, json={"studio_id": STUDIOS[0]}).json()["model_version"] == "3"
        )
