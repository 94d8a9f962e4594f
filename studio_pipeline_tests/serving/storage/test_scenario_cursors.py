"""Cursors: they lead back to their place, nothing else is one, and pages hold each scenario once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.storage import scenarios as scenario_store
from serving.storage.database import Database
from serving.storage.scenarios import Cursor, ScenarioStore, read_cursor, write_cursor
from studio_pipeline.errors import InputError
from studio_pipeline.settings import read_settings

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5))])
MOMENTS = st.builds(datetime.fromtimestamp, st.floats(0, 4e9), ZONES)


@given(MOMENTS, st.text(st.characters(codec="utf-8")))
def test_a_cursor_leads_back_to_its_place(moment: datetime, scenario_id: str) -> None:
    text = write_cursor(Cursor(moment, scenario_id))
    assert read_cursor(text) == Cursor(moment, scenario_id)
    assert text.isascii()
    assert not set(text) & set("+/=&?#% ")


@given(st.one_of(st.text(max_size=30), st.binary(max_size=30).map(lambda raw: raw.hex())))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="Send `next_cursor`"):
        read_cursor(text)


def test_a_cursor_that_was_added_to_is_refused() -> None:
    text = write_cursor(Cursor(datetime(2024, 1, 1, tzinfo=UTC), "0b4c"))
    assert read_cursor(text).id == "0b4c"
    for added in ("A", "=", " ", "%"):
        with pytest.raises(InputError):
            read_cursor(text + added)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScenarioStore]:
    home: Path = tmp_path_factory.mktemp("home")
    database = Database(read_settings(None, home=home))
    yield ScenarioStore(database)
    database.close()


def save(store: ScenarioStore, studio_id: str) -> str:
    answer = {"scenario_id": str(uuid4()), "base_month": "2021-12-01"}
    answer |= {"model_version": "1", "data_version": "a"}
    return store.save("A name", {"studio_id": studio_id}, answer, 1).id


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=25),
    limit=st.integers(1, 7),
    read=st.tuples(st.integers(1, 5), st.sampled_from([0, 900])),
    between=st.lists(st.sampled_from("ab"), max_size=3),
)
def test_pages_hold_each_scenario_once_newest_first_also_while_others_are_saved(
    store: ScenarioStore,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[tuple[str, bool]],
    limit: int,
    read: tuple[int, int],
    between: list[str],
) -> None:
    # Its moments often are the same.
    clock = SimpleNamespace(moment=datetime(2024, 1, 1, tzinfo=UTC), fromisoformat=datetime.fromisoformat)
    clock.now = lambda _: clock.moment
    with monkeypatch.context() as patch:
        patch.setattr(scenario_store, "datetime", clock)
        patch.setattr(scenario_store, "ROWS_AT_ONCE", read[0])
        patch.setattr(scenario_store, "MOST_STUDIOS", read[1])
        own, other = str(uuid4()), str(uuid4())
        saved = []
        for studio, moves_on in steps:
            clock.moment += timedelta(microseconds=1) * moves_on
            scenario_id = save(store, own if studio == "a" else other)
            saved += [(clock.moment, scenario_id)] if studio == "a" else []
        found: list[str] = []
        cursor: str | None = None
        for _ in range(100):
            page = store.page(None, own.__eq__, limit, cursor)
            found += [scenario.id for scenario in page.scenarios]
            assert len(page.scenarios) <= limit
            cursor = page.next_cursor
            if cursor is None:
                break
            assert len(page.scenarios) == limit
            assert read_cursor(cursor).id == found[-1], "a cursor tells of nothing but what is on its page"
            clock.moment += timedelta(seconds=1)
            for studio in between:
                save(store, own if studio == "a" else other)
    assert cursor is None, "the pages have no end"
    assert found == [scenario_id for _, scenario_id in sorted(saved, reverse=True)]
