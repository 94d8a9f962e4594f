"""Blocks of the documentation that the product itself writes: runs, answers, the configuration's fields.

The pages are `README.md` and `docs/*.md`; a block stands after a line `<!-- name -->` in one of them. After a
change that is meant, renew them, and read the difference before committing it:

    .venv/bin/python -m studio_pipeline_tests.readme_blocks          all of them: a whole run, about a minute
    .venv/bin/python -m studio_pipeline_tests.readme_blocks tables   the configuration's fields alone
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from studio_pipeline.configuration import Configuration
from studio_pipeline.settings import setting_names
from studio_pipeline_tests.serving.processes import service

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
LEFT_OUT = "…"
"""Stands for the folder of the clone, and for what an answer holds beyond what is shown."""

LINE_LENGTH = 100
SHOWN_EFFECT = "avg_ticket_price"
HEADER = ("| field | default | range | meaning |", "|---|---|---|---|")


def block(name: str) -> str:
    """The code after the line `<!-- name -->` of one of the pages."""
    return _found(_fenced(name))[1][2]


def _found(pattern: re.Pattern[str]) -> tuple[Path, re.Match[str]]:
    """The one place of all pages where a pattern stands."""
    found = [(page, match) for page in PAGES for match in pattern.finditer(page.read_text("utf-8"))]
    assert len(found) == 1, (pattern.pattern, [page for page, _ in found])
    return found[0]


def run_in(folder: Path, *arguments: str, **environment: str) -> str:
    """What the `studio` command prints in `folder`, with the settings of nobody but the caller.

    It is called as the README calls it: by its path, with no environment activated.
    """
    program = Path(sys.executable).with_name("studio")
    done = subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=without_settings() | {"PATH": os.defpath} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.replace(str(folder.resolve()), LEFT_OUT).replace(str(program), ".venv/bin/studio")


def without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in setting_names().values()}


Kept = int | frozenset[str]
"""How many of a list's items are shown, or which of an object's."""


class Call(NamedTuple):
    """A worked call of the documentation.

    Attributes:
        name: of its question's block, `question NAME`.
        shown: block of the answer to what is shown of it: key of the answer ("" for the answer itself), or of
            the items of its lists after a dot, to what is kept; all else is shown in full.
    """

    name: str
    shown: Mapping[str, Mapping[str, Kept]] = {}


_FORWARD: Mapping[str, Kept] = {
    "predictions": frozenset({"month_1"}),
    "lever_effects": frozenset({SHOWN_EFFECT}),
}
_SHORT_FORWARD = frozenset(
    {"base_month", "predictions", "total_projected_revenue", "lever_effects", "status_quo"}
)
_FACTS = frozenset({"revenue_then", "revenue"})
CALLS: tuple[Call, ...] = (
    Call("forward", {"answer forward": {**_FORWARD, "": _SHORT_FORWARD}, "answer forward in full": _FORWARD}),
    Call(
        "inverse",
        {"answer inverse": {"lever_changes": 1, "action_plan": 1, "alternatives": 0, "binding_limits": 1}},
    ),
    Call("save"),
    Call("compare", {"answer compare": {"scenarios.months": 1, "months": 1, "scenarios": 1, "chances": 1}}),
    Call("insights", {"answer insights": {"drivers": 2, "recommendations": 1, "facts": _FACTS}}),
)


def ask(home: Path) -> dict[str, dict[str, Any]]:
    """The answer to the last question of each worked call, from `studio serve` over the release in `home`.

    In a question `ID-OF-NAME` stands for the id of the scenario saved under that name.
    """
    answers = {}
    ids: dict[str, str] = {}
    with service(home, "-m", "studio_pipeline.cli", "serve", "--port", "{port}") as client:
        for call in CALLS:
            for path, headers, body in questions(call.name):
                response = client.post(path, content=_with_ids(body, ids), headers=headers)
                assert response.is_success, response.text
                answers[call.name] = response.json()
                if path.endswith("/scenarios"):
                    ids[_as_id(answers[call.name]["name"])] = answers[call.name]["id"]
    return answers


def questions(name: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Path, headers and body of each call of a block of curl commands."""
    for command in re.findall(r"^curl (?:.|\n)*?(?=^curl |\Z)", block(f"question {name}"), re.MULTILINE):
        program, silent, address, header, content_type, data, body = shlex.split(command.replace("\\\n", " "))
        assert [program, silent, header, data] == ["curl", "-s", "-H", "-d"]
        path = address.removeprefix("http://127.0.0.1:8000")
        assert path != address, "the service's own default"
        field, value = content_type.split(": ")
        yield path, {field: value}, body


def _with_ids(body: str, ids: Mapping[str, str]) -> str:
    for name, scenario_id in ids.items():
        body = body.replace(f"ID-OF-{name}", scenario_id)
    return body


def _as_id(name: str) -> str:
    return re.sub(r"\W+", "-", name).upper()


def shortened(answer: Mapping[str, Any], kept: Mapping[str, Kept]) -> str:
    """An answer as a block shows it: rounded, and what is alike shown once."""
    shown = _rounded(dict(answer))
    for path, some in kept.items():
        *outer, key = path.split(".")
        for part in shown[outer[0]] if outer else [shown]:
            if key:
                part[key] = _some(part[key], some)
    return _compact(json.dumps(_some(shown, kept.get("", len(shown))), indent=2, ensure_ascii=False)) + "\n"


def _some(value: Any, kept: Kept) -> Any:
    if isinstance(kept, int) and isinstance(value, list):
        return value[:kept] + ([LEFT_OUT] if len(value) > kept else [])
    if isinstance(kept, int):
        kept = frozenset(list(value)[:kept])
    shown = {name: item for name, item in value.items() if name in kept}
    return shown if len(shown) == len(value) else {**shown, LEFT_OUT: LEFT_OUT}


def _compact(text: str) -> str:
    """Indented JSON with its innermost lists and objects on one line each, where that is not too long."""
    for innermost in (r"\[[^\[\]{}]*\]", r"\{[^{}]*\}"):
        text = re.sub(innermost, lambda found: _on_one_line(found[0]), text)
    return text


def _on_one_line(text: str) -> str:
    line = re.sub(r"\s*\n\s*", " ", text).replace("[ ", "[").replace(" ]", "]")
    line = line.replace("{ ", "{").replace(" }", "}")
    return line if len(line) <= LINE_LENGTH else text


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return round(value, 1) if abs(value) >= 100 else round(value, 3)
    return value


def masked(text: str) -> str:
    """A block without what differs from run to run: seconds, ids and hashes."""
    text = re.sub(r" +[\d.]+ s\b", " S s", text)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    return re.sub(r"\b[0-9a-f]{16}\b", "HASH", text)


def field_table() -> str:
    """The table of all configuration fields, with defaults, ranges and meanings from the classes."""
    return "\n".join([*HEADER, *map(_field_row, _field_names(Configuration, ""))]) + "\n"


def _field_names(owner: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in owner.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _field_names(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def written_field_table() -> str:
    return _found(_fields())[1][2]


def _field_row(name: str) -> str:
    owner: type[BaseModel] = Configuration
    default: Any = Configuration()
    *sections, last = name.split(".")
    for part in sections:
        default = getattr(default, part)
        owner = type(default)
    field = owner.model_fields[last]
    value = default.model_dump(mode="json")[last]
    return f"| `{name}` | `{json.dumps(value)}` | {_range(field.metadata)} | {field.description} |"


def _range(metadata: list[Any]) -> str:
    """What a field's number may be, as words; empty for anything but numbers."""
    low = next((f"{m.ge:,g}" for m in metadata if getattr(m, "ge", None) is not None), None)
    above = next((f"above {m.gt:,g}" for m in metadata if getattr(m, "gt", None) is not None), None)
    high = next((m.le for m in metadata if getattr(m, "le", None) is not None), None)
    start = low or above
    if start is None or high is None:
        return ""
    return f"{start} to {high:,}".removesuffix(".0")


def _fenced(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {name} -->\n```\w+\n)(.*?)(?=^```$)", re.DOTALL | re.MULTILINE)


def _fields() -> re.Pattern[str]:
    return re.compile(r"(<!-- configuration fields -->\n)((?:\|.*\n)+)")


def _put(pattern: re.Pattern[str], content: str) -> None:
    page, match = _found(pattern)
    text = page.read_text("utf-8")
    page.write_text(text[: match.end(1)] + content + text[match.end() :], "utf-8")


def last_part(printed: str) -> str:
    """What the README shows of a run's output: the table, the sample and what follows."""
    table, rest = printed.split("Revenue in the backtest", 1)[1].split("\n\n", 1)
    return f"Revenue in the backtest{table}\n{LEFT_OUT}\nSample forecast{rest.split('Sample forecast', 1)[1]}"


def renew(parts: str) -> None:
    _put(_fields(), field_table())
    if parts == "tables":
        return
    with tempfile.TemporaryDirectory() as folder:
        printed = run_in(Path(folder), "run")
        answers = ask(Path(folder, ".studio"))
    _put(_fenced("studio run prints"), printed)
    _put(_fenced("studio run ends with"), last_part(printed))
    for call in CALLS:
        for name, kept in call.shown.items():
            _put(_fenced(name), shortened(answers[call.name], kept))


if __name__ == "__main__":
    renew(sys.argv[1] if sys.argv[1:] else "all")
