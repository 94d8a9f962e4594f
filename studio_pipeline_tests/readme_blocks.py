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
from itertools import zip_longest
from pathlib import Path
from typing import Any

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


QUESTIONS = ("forward", "inverse", "save", "compare", "insights")
"""Worked calls, each in a block `question NAME`."""

ANSWERS = ("forward", "forward in full", "inverse", "compare", "insights")
"""What is shown of answers, in blocks `answer NAME`; the first word names the question."""


def ask(home: Path) -> dict[str, Any]:
    """The answer to the last call of each question, from `studio serve` over the release in `home`.

    In a question `ID-OF-NAME` stands for the id of the scenario saved under that name.
    """
    answers: dict[str, Any] = {}
    ids: dict[str, str] = {}
    with service(home, "-m", "studio_pipeline.cli", "serve", "--port", "{port}") as client:
        for question in QUESTIONS:
            for path, headers, body in calls(question):
                asked = re.sub(r"ID-OF-[A-Z0-9-]+", lambda found: ids[found[0]], body)
                response = client.post(path, content=asked, headers=headers)
                assert response.is_success, response.text
                answers[question] = response.json()
                if path.endswith("/scenarios"):
                    name = re.sub(r"\W+", "-", answers[question]["name"]).upper()
                    ids[f"ID-OF-{name}"] = answers[question]["id"]
    return answers


def calls(question: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Path, headers and body of each curl command of a question."""
    commands = block(f"question {question}")
    for command in re.findall(r"^curl (?:.|\n)*?(?=^curl |\Z)", commands, re.MULTILINE):
        program, silent, address, header, content_type, data, body = shlex.split(command.replace("\\\n", " "))
        assert [program, silent, header, data] == ["curl", "-s", "-H", "-d"]
        path = address.removeprefix("http://127.0.0.1:8000")
        assert path != address, "the service's own default"
        yield path, dict([content_type.split(": ")]), body


def answer_block(name: str, answers: Mapping[str, Any]) -> str:
    """What the block `answer NAME` has to be, given what it shows and leaves out now."""
    question, *_ = name.split()
    shown = _as_shown(answers[question], json.loads(block(f"answer {name}")))
    text = json.dumps(shown, indent=2, ensure_ascii=False)
    for innermost in (r"\[[^\[\]{}]*\]", r"\{[^{}]*\}"):
        text = re.sub(innermost, _on_one_line, text)
    return text + "\n"


def _as_shown(answer: Any, shown: Any) -> Any:
    """An answer, rounded, with the keys and items that are shown of it: all where nothing is `LEFT_OUT`."""
    if isinstance(answer, dict):
        shown = shown if isinstance(shown, dict) else {}
        names = [name for name in answer if name in shown or LEFT_OUT not in shown]
        kept = {name: _as_shown(answer[name], shown.get(name)) for name in names}
        return kept if len(kept) == len(answer) else kept | {LEFT_OUT: LEFT_OUT}
    if isinstance(answer, list):
        shown = shown if isinstance(shown, list) else []
        most = min(len(shown) - 1, len(answer)) if LEFT_OUT in shown else len(answer)
        items = [_as_shown(item, part) for item, part in zip_longest(answer[:most], shown[:most])]
        return items if len(items) == len(answer) else [*items, LEFT_OUT]
    if isinstance(answer, float):
        return round(answer, 1) if abs(answer) >= 100 else round(answer, 3)
    return answer


def _on_one_line(found: re.Match[str]) -> str:
    """A list or an object on one line, where that is not too long."""
    line = re.sub(r"(?<=[\[{]) | (?=[\]}])", "", re.sub(r"\s*\n\s*", " ", found[0]))
    return line if len(line) <= LINE_LENGTH else found[0]


def masked(text: str) -> str:
    """A block without what differs from run to run: seconds, ids and hashes."""
    text = re.sub(r" +[\d.]+ s\b", " S s", text)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    return re.sub(r"\b[0-9a-f]{16}\b", "HASH", text)


def field_table() -> str:
    """The table of all configuration fields, with defaults, ranges and meanings from the classes."""
    return "\n".join([*HEADER, *_field_rows(Configuration())]) + "\n"


def written_field_table() -> str:
    return _found(_fields())[1][2]


def _field_rows(owner: BaseModel, prefix: str = "") -> Iterator[str]:
    defaults = owner.model_dump(mode="json")
    for name, field in type(owner).model_fields.items():
        value = getattr(owner, name)
        if isinstance(value, BaseModel):
            yield from _field_rows(value, f"{prefix}{name}.")
        else:
            shown = json.dumps(defaults[name])
            yield f"| `{prefix}{name}` | `{shown}` | {_range(field.metadata)} | {field.description} |"


def _range(metadata: list[Any]) -> str:
    """What a field's number may be, as words; empty for anything but numbers."""
    bounds = {kind: getattr(m, kind) for m in metadata for kind in ("ge", "gt", "le") if hasattr(m, kind)}
    if "le" not in bounds or len(bounds) == 1:
        return ""
    start = f"{bounds['ge']:,g}" if "ge" in bounds else f"above {bounds['gt']:,g}"
    return f"{start} to {bounds['le']:,}".removesuffix(".0")


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
    for name in ANSWERS:
        _put(_fenced(f"answer {name}"), answer_block(name, answers))


if __name__ == "__main__":
    renew(sys.argv[1] if sys.argv[1:] else "all")
