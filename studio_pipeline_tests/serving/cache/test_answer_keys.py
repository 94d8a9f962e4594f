import json
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, cast
from uuid import RFC_4122, UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.answers.replies import ID_FIELDS, Kind, Reply, fresh_id
from serving.cache.answer_cache import cache_key
from serving.schemas.forward import ForwardRequest
from studio_pipeline.publishing.releases import Release

RELEASE = Release(
    "7", "d1", "landing", date(2021, 12, 1), "run-1", datetime(2022, 1, 1, tzinfo=UTC), {}, None, 3
)


def key(body: dict[str, Any], release: Release = RELEASE, kind: str = "forward") -> str:
    return cache_key(kind, release, ForwardRequest.model_validate(body))


texts = st.text(st.characters(codec="utf-8"))
amounts = st.floats(0, 1e6).map(lambda value: value + 0.0)  # no -0.0, which equals 0.0
rates = st.floats(0, 1).map(lambda value: value + 0.0)
held = st.fixed_dictionaries(
    {},
    optional={
        "retention_rate": rates | st.none(),
        "avg_ticket_price": amounts | st.integers(0, 500) | st.none(),
        "class_attendance_rate": rates,
        "new_members_monthly": amounts,
        "staff_utilization_rate": rates,
        "upsell_rate": rates,
        "total_classes_held": amounts,
    },
)
bodies = st.fixed_dictionaries(
    {"studio_id": st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)},
    optional={
        "base_month": st.dates(date(1000, 1, 1)).map(lambda day: f"{day:%Y-%m}-01"),
        "projection_months": st.integers(1, 12),
        "include_confidence_intervals": st.booleans(),
        "interval_levels": st.lists(
            st.floats(0.01, 0.99), min_size=1, max_size=3, unique_by=lambda level: f"{level:g}"
        ),
        "levers": st.tuples(held, st.fixed_dictionaries({}, optional={"current_member_count": amounts})).map(
            lambda two: two[0] | two[1]
        ),
        "lever_plan": st.lists(
            st.fixed_dictionaries({"from_month": st.integers(1, 12), "levers": held}), max_size=2
        ),
        "compare_to_status_quo": st.booleans(),
        "execution_uncertainty": st.floats(0, 0.5).map(lambda value: value + 0.0),
        "studio_type": st.none() | st.text(st.characters(codec="utf-8"), max_size=3),
        "class_capacity": st.none() | st.floats(1, 100),
    },
)


@given(bodies, bodies, st.data())
def test_two_requests_have_one_key_exactly_where_they_are_equal(
    one: dict[str, Any], other: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(other)))
    changed = one | {name: other[name]}
    equal = ForwardRequest.model_validate(changed) == ForwardRequest.model_validate(one)
    assert (key(changed) == key(one)) is equal


@given(bodies, st.randoms(use_true_random=False))
def test_how_a_request_is_written_changes_nothing(body: dict[str, Any], random: Any) -> None:
    names = list(body)
    random.shuffle(names)
    shuffled = {name: body[name] for name in names}
    if body.get("base_month"):
        shuffled["base_month"] = body["base_month"][:7]
    defaults = json.loads(ForwardRequest.model_validate(body).model_dump_json())
    assert key(body) == key(shuffled) == key(json.loads(json.dumps(defaults)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"levers": {"avg_ticket_price": 150}}, {"levers": {"avg_ticket_price": 150.0}}),
        ({"base_month": "2021-12"}, {"base_month": "2021-12-01"}),
        ({"levers": {"retention_rate": None}}, {}),
        ({"projection_months": 3, "interval_levels": [0.9]}, {}),
    ],
)
def test_equal_requests_in_other_words(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert key({"studio_id": "a", **one}) == key({"studio_id": "a", **other})


@pytest.mark.parametrize(
    "change",
    [
        {"version": 4},
        {"model_version": "8"},
        {"data_version": "d2"},
        {"challenger_model_version": "8"},
        {"run_id": "run-2"},
        {"published_at": datetime(2022, 1, 1, 0, 0, 1, tzinfo=UTC)},
    ],
)
def test_another_release_or_kind_of_answer_has_other_keys(change: dict[str, Any]) -> None:
    body = {"studio_id": "a"}
    assert len({key(body), key(body, replace(RELEASE, **change)), key(body, kind="inverse")}) == 3


def test_the_smallest_change_of_a_number_counts() -> None:
    rates = (0.1, 0.1 + 2**-56)
    assert len({key({"studio_id": "a", "levers": {"upsell_rate": rate}}) for rate in rates}) == 2


NOTHING = cast(Any, None)
contents = st.dictionaries(texts, st.none() | st.floats(allow_nan=False) | texts)


@given(contents, st.sampled_from(["forward", "inverse"]))
def test_a_kept_answer_keeps_its_content_and_gets_another_id(content: dict[str, Any], kind: Kind) -> None:
    field = ID_FIELDS[kind]
    old = "00000000-0000-4000-8000-000000000000"
    content.pop(field, None)
    answer = {field: old, **content, "base_month": "2021-12-01"}
    renewed = Reply.cached(kind, NOTHING, NOTHING, orjson.dumps(answer))
    assert UUID(renewed.id).version == 7
    assert renewed.base_month == "2021-12-01"
    assert renewed.content == orjson.dumps(answer).replace(old.encode(), renewed.id.encode(), 1)
    assert list(orjson.loads(renewed.content)) == list(answer)


def test_ids_are_of_now_differ_and_stand_in_the_order_of_time() -> None:
    before = time.time_ns() // 1_000_000
    first = [fresh_id() for _ in range(1000)]
    time.sleep(0.002)
    later = [fresh_id() for _ in range(1000)]
    assert len({*first, *later}) == 2000
    assert max(first) < min(later)
    moments = [UUID(made).int >> 80 for made in (*first, *later)]
    assert before <= min(moments) <= max(moments) <= time.time_ns() // 1_000_000
    assert {(UUID(made).version, UUID(made).variant, len(made)) for made in first} == {(7, RFC_4122, 36)}
