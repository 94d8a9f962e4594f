"""What is wrong with a body is said so that a person can put it right, and a program can see which field."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from fake_forecaster import publish_fake
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError
from starlette.testclient import TestClient

from serving.errors import MOST_PROBLEMS, field_problem
from serving.routes.requests import read_json
from serving.schemas.forward import ForwardRequest

FORWARD = "/api/v1/predict/forward"
JSON = {"Content-Type": "application/json"}


def refused(client: TestClient, body: bytes) -> str:
    response = client.post(FORWARD, content=body, headers=JSON)
    assert response.status_code in (400, 422)
    detail = response.json()["detail"]
    return detail if isinstance(detail, str) else "; ".join(problem["msg"] for problem in detail)


def with_field(**fields: object) -> bytes:
    return json.dumps({"studio_id": "chain-a-1", **fields}).encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (with_field(levers={"retention_rate": "0.9"}), "Write a number. This is a text of length 3."),
        (with_field(levers={"retention_rate": True}), "Write a number. This is true."),
        (with_field(levers={"retention_rate": 93}), "Write at most 1. This is 93."),
        (with_field(levers={"avg_ticket_price": -1.5}), "Write at least 0. This is -1.5."),
        (with_field(levers=[1]), "Write an object in braces. This is a list of length 1."),
        (with_field(levers=None), "Write an object in braces. This is null."),
        (with_field(projection_months=2.5), "Write a whole number. This is 2.5."),
        (with_field(projection_months=13), "Write at most 12. This is 13."),
        (with_field(class_capacity=0), "Write more than 0. This is 0."),
        (with_field(class_capacity=10**400), "Write a number. This is beyond 1e+15."),
        (with_field(interval_levels=[1.0]), "Write less than 1. This is 1.0."),
        (with_field(interval_levels=0.9), "Write a list in brackets. This is 0.9."),
        (with_field(interval_levels=[]), "Write at least 1 of them. This is a list of length 0."),
        (with_field(interval_levels=[0.9] * 11), "Write at most 10 of them. This is a list of length 11."),
        (with_field(interval_levels=[0.9, 0.9]), "Name each level once, at six digits."),
        (
            with_field(include_confidence_intervals="yes"),
            "Write true or false, without quotes. This is a text",
        ),
        (with_field(base_month="2021-13-01"), "Write a month as its first day, such as 2024-01-01."),
        (with_field(base_month="0000-01-01"), "Write a month as its first day, such as 2024-01-01."),
        (with_field(base_month=202101), "Write a month as its first day, such as 2024-01-01."),
        (with_field(studio_id=7), "Write a text in quotes. This is 7."),
        (with_field(studio_id="s" * 201), "Write at most 200 characters. This is a text of length 201."),
        (with_field(studio_id=""), "Write at least 1 character(s). This is a text of length 0."),
        (with_field(colour="red"), "There is no such field. Leave it out, or correct its name"),
        (b"{}", "This field is needed."),
        (b"[]", "Send one JSON object as the body, such as"),
        (b"null", "Send one JSON object as the body, such as"),
        (b"", "Send one JSON object as the body, such as"),
        (b'{"studio_id": "a"', "The body is no JSON: Expecting ',' delimiter."),
        (b'{"studio_id": "a", "studio_id": "b"}', 'the key "studio_id" stands twice in one object.'),
        (
            b'{"studio_id": "a", "levers": {"upsell_rate": 0.1, "upsell_rate": 0.2}}',
            '"upsell_rate" stands twice',
        ),
        (b'{"studio_id": "a", "levers": {"avg_ticket_price": NaN}}', "NaN is no number in JSON"),
        (b'{"studio_id": "a", "levers": {"avg_ticket_price": -Infinity}}', "-Infinity is no number in JSON"),
        (b'{"studio_id": "a", "levers": {"avg_ticket_price": 1e999}}', "Write a finite number."),
        (b'{"studio_id": "\\ud800"}', "half of a surrogate pair is none"),
        (b'{"studio_id": "\xff"}', "Send one JSON object in UTF-8, not nested deeply"),
        ('{"studio_id": "chain-a-1"}'.encode("utf-16"), "Send one JSON object in UTF-8, not nested deeply"),
        (b'{"studio_id": "a", "class_capacity": ' + b"9" * 5000 + b"}", "Send one JSON object in UTF-8"),
        (b"[" * 100_000, "Send one JSON object in UTF-8, not nested deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "Send one JSON object in UTF-8, not nested deeply"),
    ],
)
def test_a_refusal_says_what_is_allowed(client: TestClient, body: bytes, said: str) -> None:
    assert said in refused(client, body)


def test_the_field_and_pydantic_s_word_stay_for_programs(client: TestClient) -> None:
    response = client.post(FORWARD, content=with_field(levers={"upsell_rate": "x"}, colour=1), headers=JSON)
    assert [(problem["loc"], problem["type"]) for problem in response.json()["detail"]] == [
        (["body", "levers", "upsell_rate"], "float_type"),
        (["body", "colour"], "extra_forbidden"),
    ]


def test_a_byte_order_mark_is_no_fault(client: TestClient) -> None:
    body = b"\xef\xbb\xbf" + with_field()
    assert client.post(FORWARD, content=body, headers=JSON).status_code == 200


def test_levels_without_intervals_are_a_warning_where_nothing_uses_them(client: TestClient) -> None:
    def warned(**fields: object) -> bool:
        warnings = client.post(FORWARD, content=with_field(**fields), headers=JSON).json()["warnings"]
        return any("include_confidence_intervals" in warning for warning in warnings)

    assert warned(interval_levels=[0.8])
    assert not warned()
    assert not warned(interval_levels=[0.8], include_confidence_intervals=True)
    assert not warned(interval_levels=[0.8], compare_to_status_quo=True)


texts = st.text("aé{}\ud800\n ", max_size=4)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(list(ForwardRequest.model_fields))


@given(st.dictionaries(fields, json_values, max_size=5))
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


finite = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(finite)
def test_sound_json_is_read_as_ever(value: Any) -> None:
    assert read_json(json.dumps(value).encode()) == value


@given(st.lists(st.text("ab\\", max_size=2), min_size=1, max_size=6))
def test_a_key_that_stands_twice_is_found(names: list[str]) -> None:
    body = "{" + ", ".join(f"{json.dumps(name)}: 1" for name in names) + "}"
    if len(set(names)) == len(names):
        assert list(read_json(body.encode())) == names
    else:
        with pytest.raises(json.JSONDecodeError, match="stands twice"):
            read_json(body.encode())


@pytest.mark.parametrize("twice", ["k0", "k96"])
def test_a_key_that_stands_twice_is_found_wherever_it_stands(twice: str) -> None:
    pairs = ",".join(f'"k{number}":1' for number in range(97))
    with pytest.raises(json.JSONDecodeError, match="twice"):
        read_json(f'{{{pairs},"{twice}":1}}'.encode())


def test_no_object_has_fields_without_end(client_of) -> None:
    many = "{" + ",".join(f'"{number:x}":1' for number in range(100_000)) + "}"
    bodies = {
        FORWARD: many,
        f"{FORWARD}/batch": f'{{"requests":[{many}]}}',
        "/api/v1/predict/inverse": f'{{"studio_id":"a","constraints":{{"lever_costs":{many}}}}}',
    }
    with client_of() as client:
        for path, body in bodies.items():
            response = client.post(path, content=body.encode(), headers=JSON)
            assert response.status_code == 422
            assert "100,000 fields" in response.text
            assert len(response.content) < 1000


def test_of_many_problems_the_first_are_told(client_of, tmp_path: Path) -> None:
    publish_fake(tmp_path, 1)
    wrong = {f"unknown_{number}": 1 for number in range(90)}
    with client_of() as client:
        alone = client.post(FORWARD, json=wrong)
        (batched,) = client.post(f"{FORWARD}/batch", json={"requests": [wrong]}).json()["responses"]
    assert len(alone.json()["detail"]) == len(batched["error"]["detail"]) == MOST_PROBLEMS
