"""The blocks of the README that the product itself writes: a run, an answer, the configuration's fields.

After a change that is meant, write them anew, and read the difference before committing it:

    .venv/bin/python -m studio_pipeline_tests.readme_blocks          all of them: a whole run, about a minute
    .venv/bin/python -m studio_pipeline_tests.readme_blocks tables   the configuration's fields alone
"""

from __future__ import annotations

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
LEFT_OUT = "…"
"""Stands for the folder of the clone, and for what an answer holds beyond what is shown."""

LINE_LENGTH = 100
SHOWN_EFFECT = "avg_ticket_price"
HEADER = ("| field | default | range | meaning |", "|---|---|---|---|")


def block(name: str) -> str:
    """The code after the line `<!-- name -->`."""
    return _fenced(name).search(README.read_text("utf-8"))[2]  # type: ignore[index]


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
    """The environment as on a fresh machine."""
    return {name: value for name, value in os.environ.items() if name not in setting_names().values()}


class Call(NamedTuple):
    """A worked call of the README.

    Attributes:
        name: of its blocks, `question NAME` and `answer NAME`.
        kept: key of the answer, or of the items of its lists after a dot, to what is shown of it; all else is
            shown in full.
        is_shown: whether there is a block for the answer.
    """

    name: str
    kept: Mapping[str, Kept] = {}
    is_shown: bool = True


Kept = int | frozenset[str]
"""How many of a list's items are shown, or which of an object's."""

CALLS: tuple[Call, ...] = (
    Call("forward", {"predictions": frozenset({"month_1"}), "lever_effects": frozenset({SHOWN_EFFECT})}),
    Call("inverse", {"lever_changes": 1, "action_plan": 1, "alternatives": 0, "binding_limits": 1}),
    Call("save", is_shown=False),
    Call("compare", {"scenarios.months": 1, "months": 1}),
    Call("insights", {"drivers": 2, "recommendations": 1, "facts": frozenset({"revenue_then", "revenue"})}),
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


def shortened(answer: Mapping[str, Any], call: Call) -> str:
    """An answer as the README shows it: rounded, and what is alike shown once."""
    shown = _rounded(dict(answer))
    for path, kept in call.kept.items():
        *outer, key = path.split(".")
        for part in shown[outer[0]] if outer else [shown]:
            part[key] = _some(part[key], kept)
    return _compact(json.dumps(shown, indent=2, ensure_ascii=False)) + "\n"


def _some(value: Any, kept: Kept) -> Any:
    if isinstance(kept, int) and isinstance(value, list):
        return value[:kept] + ([LEFT_OUT] if len(value) > kept else [])
    if isinstance(kept, int):
        kept = frozenset(list(value)[:kept])
    return {name: item if name in kept else LEFT_OUT for name, item in value.items()}


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
    """The README's table of configuration fields, with defaults, ranges and meanings from the classes."""
    names = re.findall(r"^\| `([\w.]+)` \|", _fields().search(README.read_text("utf-8"))[2], re.MULTILINE)  # type: ignore[index]
    return "\n".join([*HEADER, *map(_field_row, names)]) + "\n"


def written_field_table() -> str:
    """The same as it stands in the README."""
    return _fields().search(README.read_text("utf-8"))[2]  # type: ignore[index]


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
    text, count = pattern.subn(lambda match: match[1] + content, README.read_text("utf-8"))
    assert count == 1, pattern.pattern
    README.write_text(text, "utf-8")


def renew(parts: str) -> None:
    """Write the blocks anew."""
    _put(_fields(), field_table())
    if parts == "tables":
        return
    with tempfile.TemporaryDirectory() as folder:
        printed = run_in(Path(folder), "run")
        answers = ask(Path(folder, ".studio"))
    _put(_fenced("studio run prints"), printed)
    for call in CALLS:
        if call.is_shown:
            _put(_fenced(f"answer {call.name}"), shortened(answers[call.name], call))


if __name__ == "__main__":
    renew(sys.argv[1] if sys.argv[1:] else "all")
