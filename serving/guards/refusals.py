"""What is wrong with a field, in a sentence that a person can act on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from serving.schemas.common import HeldLevers, Levers

Problem = Mapping[str, Any]
"""One entry of a validation error of Pydantic."""


MOST_PROBLEMS = 20
"""That are told of one request."""


def field_problems(items: Sequence[Problem]) -> list[dict[str, object]]:
    """The entries of an answer, the first ones where there are very many."""
    return [field_problem(item) for item in items[:MOST_PROBLEMS]]


def field_problem(item: Problem) -> dict[str, object]:
    """The entry of an answer: where, what, and Pydantic's word for it. The value itself may be huge."""
    # The name of an unknown field is the sender's; it may hold what UTF-8 can't carry.
    loc = [str(part).encode("utf-8", "replace").decode()[:100] for part in item["loc"]]
    return {"loc": loc, "msg": sentence(item), "type": item["type"]}


def sentence(item: Problem) -> str:
    """What is wrong and what is allowed."""
    kind, said = str(item["type"]), _SENTENCES.get(item["type"])
    if kind == "json_invalid":
        return f"The body is no JSON: {item['ctx']['error']}."
    if kind == "extra_forbidden":
        return _unknown_field(item["loc"])
    if tuple(item["loc"]) == ("body",) and kind in NO_BODY:
        return 'Send one JSON object as the body, such as {"studio_id": "a00012"}; GET / shows its fields.'
    if said is None:
        return _as_sentence(str(item["msg"]))
    limits = {
        name: f"{limit:g}" if isinstance(limit, float) else limit
        for name, limit in item.get("ctx", {}).items()
    }
    return f"{said.format(**limits)} {_this_is(item.get('input'))}".strip()


NO_BODY = ("missing", "model_type", "model_attributes_type", "dict_type")


def _unknown_field(loc: tuple[str | int, ...]) -> str:
    """An unknown lever is told which ones there are."""
    if "levers" not in loc[-2:-1]:
        return "There is no such field. Leave it out, or correct its name; GET / shows all fields."
    levers = HeldLevers if "lever_plan" in loc else Levers
    place = " of a lever_plan" if "lever_plan" in loc else ""
    return f"This is none of the levers{place}, which are {', '.join(levers.model_fields)}."


_SENTENCES = {
    "missing": "This field is needed.",
    "float_type": "Write a number.",
    "float_parsing": "Write a number.",
    "int_type": "Write a whole number.",
    "int_parsing": "Write a whole number.",
    "int_parsing_size": "Write a smaller whole number.",
    "int_from_float": "Write a whole number.",
    "finite_number": "Write a finite number.",
    "bool_type": "Write true or false, without quotes.",
    "bool_parsing": "Write true or false.",
    "string_type": "Write a text in quotes.",
    "string_unicode": "Write a text of whole Unicode characters: half of a surrogate pair is none.",
    "list_type": "Write a list in brackets.",
    "tuple_type": "Write a list in brackets.",
    "dict_type": "Write an object in braces.",
    "model_type": "Write an object in braces.",
    "model_attributes_type": "Write an object in braces.",
    "greater_than": "Write more than {gt}.",
    "greater_than_equal": "Write at least {ge}.",
    "less_than": "Write less than {lt}.",
    "less_than_equal": "Write at most {le}.",
    "string_too_short": "Write at least {min_length} character(s).",
    "string_too_long": "Write at most {max_length} characters.",
    "too_short": "Write at least {min_length} of them.",
    "too_long": "Write at most {max_length} of them.",
    "literal_error": "Write {expected}.",
    "enum": "Write {expected}.",
    "uuid_type": "Write an id as it was answered, such as 1b4e28ba-2fa1-41d2-883f-0016d3cca427.",
    "uuid_parsing": "Write an id as it was answered, such as 1b4e28ba-2fa1-41d2-883f-0016d3cca427.",
}


def _this_is(value: object) -> str:
    """What was sent instead, without repeating more of it than a number."""
    said = next((say(value) for kind, say in _KINDS if isinstance(value, kind)), "")
    return f"This is {said}." if said else ""


MOST_SHOWN = 1e15


def _number(value: Any) -> str:
    # Compared first: the largest whole numbers are no floats.
    return f"beyond {MOST_SHOWN:g}" if abs(value) > MOST_SHOWN else repr(value)


_KINDS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bool, lambda value: "true" if value else "false"),
    (int, _number),
    (float, _number),
    (str, lambda value: f"a text of length {len(value)}"),
    (list, lambda value: f"a list of length {len(value)}"),
    (type(None), lambda _: "null"),
)


def _as_sentence(message: str) -> str:
    """A message of ours from a validator, or one of Pydantic that is rare."""
    text = message.removeprefix("Value error, ")
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
