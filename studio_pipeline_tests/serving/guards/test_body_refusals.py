"""What is wrong with a body is said so that a person can put it right, and a program can see which field."""

import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError
from starlette.testclient import TestClient

from serving.errors import MOST_PROBLEMS, field_problem
from serving.routes.requests import read_json
from serving.schemas.forward import ForwardRequest

FORWARD = "/api/v1/predict/forward"
JSON = {"Content-Type": "application/json"}


def with_fields(**fields: object) -> bytes:
    return json.dumps({"studio_id": "chain-a-1", **fields}).encode()


NO_MONTH = "Write a month as its first day, such as 2024-01-01."
NO_HELD_LEVER = (
    "This is none of the levers of a lever_plan, which are retention_rate, avg_ticket_price, "
    "class_attendance_rate, new_members_monthly, staff_utilization_rate, upsell_rate, total_classes_held."
)
"""The members can be given at the start, and not later."""


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("colour", "red", "There is no such field. Leave it out, or correct its name"),
        ("levers.price", 3, "This is none of the levers, which are retention_rate, "),
        ("levers.retention_rate", "0.9", "Write a number. This is a text of length 3."),
        ("levers.retention_rate", True, "Write a number. This is true."),
        ("levers.retention_rate", 93, "Write at most 1. This is 93."),
        ("levers.avg_ticket_price", -1.5, "Write at least 0. This is -1.5."),
        ("levers", [1], "Write an object in braces. This is a list of length 1."),
        ("levers", None, "Write an object in braces. This is null."),
        ("studio_id", None, "Write a text in quotes. This is null."),
        ("studio_id", 7, "Write a text in quotes. This is 7."),
        ("studio_id", "", "Write at least 1 character(s). This is a text of length 0."),
        ("studio_id", "s" * 201, "Write at most 200 characters. This is a text of length 201."),
        ("projection_months", 0, "Write at least 1. This is 0."),
        ("projection_months", 13, "Write at most 12. This is 13."),
        ("projection_months", "3", "Write a whole number. This is a text of length 1."),
        ("projection_months", 2.5, "Write a whole number. This is 2.5."),
        ("base_month", "2021-12-15", NO_MONTH),
        ("base_month", "2021-13-01", NO_MONTH),
        ("base_month", "0000-01-01", NO_MONTH),
        ("base_month", "December", NO_MONTH),
        ("base_month", 202112, NO_MONTH),
        ("execution_uncertainty", 0.51, "Write at most 0.5. This is 0.51."),
        ("execution_uncertainty", -0.1, "Write at least 0. This is -0.1."),
        ("interval_levels", [], "Write at least 1 of them. This is a list of length 0."),
        ("interval_levels", [0.9] * 11, "Write at most 10 of them. This is a list of"),
        ("interval_levels", [1.0], "Write less than 1. This is 1.0."),
        ("interval_levels", [0], "Write more than 0. This is 0."),
        ("interval_levels", [0.9, 0.9], "Name each level once, at six digits."),
        ("interval_levels", [0.9, 0.90000001], "Name each level once, at six digits."),
        ("interval_levels", 0.9, "Write a list in brackets. This is 0.9."),
        ("include_confidence_intervals", "yes", "Write true or false, without"),
        ("class_capacity", 0, "Write more than 0. This is 0."),
        ("class_capacity", 10**400, "Write a number. This is beyond 1e+15."),
        ("lever_plan", [{"from_month": 13, "levers": {}}], "Write at most 12. This is 13."),
        ("lever_plan", [{"levers": {}}], "This field is needed."),
        ("lever_plan", [{"from_month": 1, "levers": {"current_member_count": 8}}], NO_HELD_LEVER),
    ],
)
def test_a_wrong_field_is_named_with_its_remedy(
    client: TestClient, path: str, value: object, said: str
) -> None:
    names = path.split(".")
    for name in reversed(names):
        value = {name: value}
    response = client.post(FORWARD, content=with_fields(**value), headers=JSON)
    assert response.status_code == 422
    problem = response.json()["detail"][0]
    assert set(problem) == {"loc", "msg", "type"}
    assert problem["loc"][: len(names) + 1] == ["body", *names]
    assert said in problem["msg"]


NOT_READABLE = "Send one JSON object in UTF-8, not nested deeply"
NO_OBJECT = "Send one JSON object as the body, such as"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{}", 422, "This field is needed."),
        (b"[]", 422, NO_OBJECT),
        (b"null", 422, NO_OBJECT),
        (b"", 422, NO_OBJECT),
        (b'{"studio_id": "a"', 422, "The body is no JSON: Expecting ',' delimiter."),
        (b'{"studio_id": "a", "studio_id": "b"}', 422, 'the key "studio_id" stands twice in one object.'),
        (b'{"levers": {"upsell_rate": 0.1, "upsell_rate": 0.2}}', 422, '"upsell_rate" stands twice'),
        (b'{"studio_id": "a", "levers": {"avg_ticket_price": NaN}}', 422, "NaN is no number in JSON"),
        (b'{"studio_id": "a", "class_capacity": Infinity}', 422, "Infinity is no number in JSON"),
        (b'{"studio_id": "a", "class_capacity": -Infinity}', 422, "-Infinity is no number in JSON"),
        (b'{"studio_id": "a", "levers": {"avg_ticket_price": 1e999}}', 422, "Write a finite number."),
        (b'{"studio_id": "\\ud800"}', 422, "half of a surrogate pair is none"),
        (b'{"studio_id": "a", "\\ud800": 1}', 422, "half of a surrogate pair is none"),
        (b'{"studio_id": "\xff"}', 400, NOT_READABLE),
        (b"\xff\xfe", 400, NOT_READABLE),
        ('{"studio_id": "chain-a-1"}'.encode("utf-16"), 400, NOT_READABLE),
        (b'{"studio_id": "a", "class_capacity": ' + b"9" * 5000 + b"}", 400, NOT_READABLE),
        (b"[" * 100_000, 400, NOT_READABLE),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400, NOT_READABLE),
    ],
)
def test_a_body_that_is_none_is_told_what_to_send(
    client: TestClient, body: bytes, status: int, said: str
) -> None:
    response = client.post(FORWARD, content=body, headers=JSON)
    assert response.status_code == status
    detail = response.json()["detail"]
    assert said in (detail if isinstance(detail, str) else detail[0]["msg"])


def test_the_field_and_pydantic_s_word_stay_for_programs(client: TestClient) -> None:
    step = {"levers": {"current_member_count": 8}}
    body = with_fields(levers={"upsell_rate": "x"}, lever_plan=[step], colour=1)
    response = client.post(FORWARD, content=body, headers=JSON)
    assert [(problem["loc"], problem["type"]) for problem in response.json()["detail"]] == [
        (["body", "levers", "upsell_rate"], "float_type"),
        (["body", "lever_plan", "0", "from_month"], "missing"),
        (["body", "lever_plan", "0", "levers", "current_member_count"], "extra_forbidden"),
        (["body", "colour"], "extra_forbidden"),
    ]


def test_a_byte_order_mark_is_no_fault(client: TestClient) -> None:
    body = b"\xef\xbb\xbf" + with_fields()
    assert client.post(FORWARD, content=body, headers=JSON).status_code == 200


texts = st.text("aé{}\ud800\n ", max_size=4)


def json_values(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers() | numbers | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=15,
    )


fields = st.sampled_from(list(ForwardRequest.model_fields))


@given(st.dictionaries(fields, json_values(st.floats()), max_size=5))
def test_whatever_is_sent_every_refusal_is_a_sentence(body: dict[str, Any]) -> None:
    try:
        ForwardRequest.model_validate(body)
    except ValidationError as error:
        for item in error.errors():
            problem = field_problem({**item, "loc": ("body", *item["loc"])})
            said = str(problem["msg"])
            assert said[0].isupper()
            assert said.endswith(".")
            assert len(said) < 400
            json.dumps(problem)


class Sample(BaseModel, strict=True):
    choice: Literal["a", "b"] = "a"
    pair: tuple[float, float] = (0.0, 1.0)
    count: Annotated[int, Field(ge=10**20)] = 10**20


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"choice": "c"}, "Write 'a' or 'b'. This is a text of length 1."),
        ({"pair": 1}, "Write a list in brackets. This is 1."),
        ({"count": 1}, "Write at least 100000000000000000000. This is 1."),
    ],
)
def test_fields_of_other_kinds_are_explained_too(value: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate(value)
    assert [field_problem(item)["msg"] for item in caught.value.errors()] == [said]


@given(json_values(st.floats(allow_nan=False, allow_infinity=False)))
def test_sound_json_is_read_as_ever(value: Any) -> None:
    assert read_json(json.dumps(value).encode()) == value


@example([*(f"k{number}" for number in range(97)), "k0"])
@example([*(f"k{number}" for number in range(97)), "k96"])
@given(st.lists(st.text("ab\\", max_size=2), min_size=1, max_size=6))
def test_a_key_that_stands_twice_is_found(names: list[str]) -> None:
    body = "{" + ", ".join(f"{json.dumps(name)}: 1" for name in names) + "}"
    if len(set(names)) == len(names):
        assert list(read_json(body.encode())) == names
    else:
        with pytest.raises(json.JSONDecodeError, match="stands twice"):
            read_json(body.encode())


def test_no_object_has_fields_without_end(client: TestClient) -> None:
    many = "{" + ",".join(f'"{number:x}":1' for number in range(100_000)) + "}"
    bodies = {
        FORWARD: many,
        f"{FORWARD}/batch": f'{{"requests":[{many}]}}',
        "/api/v1/predict/inverse": f'{{"studio_id":"a","constraints":{{"lever_costs":{many}}}}}',
    }
    for path, body in bodies.items():
        response = client.post(path, content=body.encode(), headers=JSON)
        assert response.status_code == 422
        assert "100,000 fields" in response.text
        assert len(response.content) < 1000


def test_of_many_problems_the_first_are_told(client: TestClient) -> None:
    wrong = {f"unknown_{number}": 1 for number in range(90)}
    alone = client.post(FORWARD, json=wrong)
    (batched,) = client.post(f"{FORWARD}/batch", json={"requests": [wrong]}).json()["responses"]
    assert len(alone.json()["detail"]) == len(batched["error"]["detail"]) == MOST_PROBLEMS
