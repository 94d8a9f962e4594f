"""The documentation against the product: what it shows is run, and what it names exists, in both directions.

`studio_pipeline_tests/readme_blocks.py` says how to write its blocks anew.
"""

import ast
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import dagster as dg
import pytest
import yaml

from serving.app import create_app
from studio_pipeline.automation.decisions import MOST_TRIES, RETRY_SECONDS
from studio_pipeline.cli.main import COMMANDS, main
from studio_pipeline.configuration import Configuration, read_configuration
from studio_pipeline.definitions import defs
from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS
from studio_pipeline.panel.columns import COLUMNS
from studio_pipeline.panel.ingest.column_maps import ColumnMap
from studio_pipeline.panel.ingest.folder_scan import SETTLE_SECONDS
from studio_pipeline.settings import Settings, read_settings, setting_names
from studio_pipeline_tests.readme_blocks import (
    ANSWERS,
    PAGES,
    README,
    ROOT,
    answer_block,
    ask,
    block,
    field_table,
    last_part,
    masked,
    run_in,
    without_settings,
    written_field_table,
)
from studio_pipeline_tests.test_definitions import described_graph

TEXTS = {page: page.read_text("utf-8") for page in PAGES}
TEXT = "\n".join(TEXTS.values())
RENEW = "write the blocks anew: python -m studio_pipeline_tests.readme_blocks"
SYSTEM_PROGRAMS = ("python3", "curl", "export")
NOT_USED = "not used yet"


def section(title: str) -> str:
    """The text below a heading of one of the pages, up to the next one of its level."""
    found = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert len(found) == 1, (title, len(found))
    return str(found[0])


def page(name: str) -> str:
    """The text of `docs/NAME.md`."""
    return TEXTS[ROOT / "docs" / f"{name}.md"]


def rows(text: str) -> list[list[str]]:
    """The cells of a section's table rows, without headers and rules."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[0].startswith("`")]


def codes(text: str) -> list[str]:
    """What stands between backticks, in sentences and tables."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`]+)`", prose)


# Commands


def test_every_command_and_option_is_described_and_exists() -> None:
    usages = [codes(row[0])[0] for row in rows(section("Commands")) if row[0].startswith("`studio ")]
    described = {usage.split()[1]: usage for usage in usages}
    assert list(described) == list(COMMANDS)
    for name, usage in described.items():
        command = main.get_command(click.Context(main), name)
        options = {opt for parameter in command.params for opt in parameter.opts if opt.startswith("--")}
        assert set(re.findall(r"--[\w-]+", usage)) == options, name


def shell_blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def commands_of(script: str) -> Iterator[list[str]]:
    """The words of each command, without the variables set for it."""
    lexer = shlex.shlex(script.replace("\\\n", " "), posix=True, punctuation_chars=";&|\n")
    lexer.whitespace, lexer.commenters, lexer.whitespace_split = " \t", "", True
    words: list[str] = []
    for token in [*lexer, "\n"]:
        if set(token) <= set(";&|\n"):
            if words:
                yield words
            words = []
        elif words or not re.match(r"[A-Z_]+=", token):
            words.append(token)


def shown_commands() -> list[list[str]]:
    return [words for script in shell_blocks() for words in commands_of(script)]


def test_shell_blocks_are_shell() -> None:
    for script in shell_blocks():
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    assert len(shown_commands()) > 15


@cache
def help_of(*command: str) -> str:
    return subprocess.check_output([*command, "--help"], text=True, cwd=ROOT)


@pytest.mark.parametrize("program", sorted({words[0] for words in shown_commands()}))
def test_every_program_and_option_shown_is_there(program: str) -> None:
    if not program.startswith(".venv/bin/"):
        assert program in SYSTEM_PROGRAMS or (ROOT / program).is_file()
        return
    path = Path(sys.executable).with_name(Path(program).name)
    assert path.is_file()
    for arguments in (words[1:] for words in shown_commands() if words[0] == program):
        if path.name == "python":
            assert arguments[0] == "-m"
            assert (ROOT / arguments[1].replace(".", "/")).with_suffix(".py").is_file()
            continue
        deeper = next((at for at, word in enumerate(arguments) if not word.isalpha()), len(arguments))
        options = [word for word in arguments if word.startswith("-")]
        shown = help_of(str(path), *arguments[:deeper])
        assert [option for option in options if not re.search(rf"(?<!\w){option}\b", shown)] == []


def test_studio_commands_named_in_sentences_exist() -> None:
    named = [words for code in codes(TEXT) for words in commands_of(code)]
    studio = [words for words in named if words[0].rpartition("/")[2] == "studio" and words[1:]]
    assert len(studio) > 5
    assert {words[1] for words in studio} == set(COMMANDS)


def test_ci_finds_the_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    extraction = next(line for line in script.splitlines() if line.startswith("test_command="))
    command = ["bash", "-euo", "pipefail", "-c", f'{extraction}; echo "$test_command"']
    printed = subprocess.check_output(command, cwd=ROOT, text=True)
    assert printed == block("test command")
    assert printed.endswith("&& .venv/bin/pytest\n")
    assert printed.count("\n") == 1


# Settings


def defaults() -> dict[str, str]:
    """Every setting's default as the README writes it, empty where there is none."""
    read = read_settings(None)
    seconds = {1: "second", 60: "minute", 3600: "hour", 86400: "day"}
    shown = {}
    for field, name in setting_names().items():
        value = getattr(read, field)
        if field == "rate_limit":
            value = f"{value.requests}/{seconds[value.seconds]}"
        shown[name] = "" if value in (None, ()) else str(value).replace(str(read.home), "$STUDIO_HOME")
    return shown | {"STUDIO_HOME": read.home.name}


@pytest.mark.usefixtures("no_settings")
def test_every_setting_is_described_with_its_default() -> None:
    described = {
        name: default
        for names, default_cell, _ in rows(page("settings"))
        for name, default in zip(codes(names), default_cell.split(", "), strict=True)
    }
    assert described == {name: f"`{value}`" if value else "none" for name, value in defaults().items()}


@pytest.mark.usefixtures("no_settings")
def test_every_setting_is_in_the_example_with_its_default() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    examples = dict(found.groups() for line in lines if (found := re.fullmatch(r"# ([A-Z_]+)=(.*)", line)))
    # A default that hangs on another setting can't be written there.
    assert examples == {name: "" if "$" in value else value for name, value in defaults().items()}


def test_what_is_said_not_to_be_used_is_not_used() -> None:
    unused = {name for row in rows(page("settings")) if NOT_USED in row[2] for name in codes(row[0])}
    sources = [path for package in ("studio_pipeline", "serving") for path in (ROOT / package).rglob("*.py")]
    attributes = {
        node.attr
        for path in sources
        if path.name != "settings.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }
    assert unused == {name for field, name in setting_names().items() if field not in attributes}
    assert set(setting_names()) == set(Settings.model_fields)


# Configuration


def test_the_table_of_fields_is_that_of_the_classes() -> None:
    assert written_field_table() == field_table(), RENEW
    sections = {name.split(".")[0] for name in re.findall(r"^\| `([\w.]+)", field_table(), re.MULTILINE)}
    assert sections == set(Configuration.model_fields)


def test_the_configuration_file_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "studio.yaml"
    path.write_text(block("configuration file"), "utf-8")
    read = read_configuration(path)
    shown = yaml.safe_load(block("configuration file"))
    assert list(shown) == list(Configuration.model_fields)
    assert all(getattr(read, name) != getattr(Configuration(), name) for name in shown)


def test_run_config_stands_where_it_is_said_to() -> None:
    config = {"resources": {"configuration": {"config": {"forecasting": {"seed": 8}}}}}
    assert "under `resources`, `configuration`, `config`" in TEXT
    assert dg.validate_run_config(defs.resolve_job_def("refresh_release"), config)


# Stages, files, routes


GRAPH = described_graph()


def ancestors(name: str) -> set[str]:
    return set().union(*({parent} | ancestors(parent) for parent in GRAPH[name]["deps"]))


def test_every_asset_is_in_the_table_under_its_group() -> None:
    described = [(codes(row[0])[0], name) for row in rows(section("Assets")) for name in codes(row[1])]
    assert sorted(described) == sorted((asset["group"], name) for name, asset in GRAPH.items())


def test_the_drawing_is_the_graph_without_short_cuts() -> None:
    drawn = {
        (start.strip(), end.strip())
        for line in re.findall(r"^  (.+ --> .+)$", TEXT, re.MULTILINE)
        for start in line.split("-->")[0].split("&")
        for end in line.split("-->")[1].split("&")
    }
    expected = {
        (parent, name)
        for name, asset in GRAPH.items()
        for parent in asset["deps"]
        if not any(parent in ancestors(other) for other in asset["deps"])
    }
    assert drawn == expected


def test_the_automation_is_as_said() -> None:
    repository = defs.get_repository_def()
    intervals = {sensor.name: sensor.minimum_interval_seconds for sensor in repository.sensor_defs}
    intervals |= {schedule.name: schedule.cron_schedule for schedule in repository.schedule_defs}
    assert all(schedule.execution_timezone is None for schedule in repository.schedule_defs)
    for name, interval, said in (
        ("monthly_refresh", "0 6 3 * *", "| `monthly_refresh`, on the third at 6:00 UTC |"),
        ("daily_monitoring", "0 5 * * *", "| `daily_monitoring`, at 5:00 UTC |"),
        ("quarterly_tuning", "0 2 10 1,4,7,10 *", "the schedule `quarterly_tuning`"),
        ("daily_pruning", "40 3 * * *", "Every night at 3:40 UTC the job `prune_versions`"),
        ("landing_folder", 5, "| `landing_folder`, every 5 seconds |"),
        ("drift_or_error", 60, "| `drift_or_error`, every minute |"),
        ("leftover_runs", 30, ""),
    ):
        assert intervals[name] == interval
        assert said in TEXT
    assert f"stayed the same for {SETTLE_SECONDS:.0f} seconds" in TEXT
    assert (RETRY_SECONDS, MOST_TRIES) == (30, 3)
    assert "half a minute later (after three kills it is left to you)" in TEXT


def test_every_column_is_described_with_its_unit() -> None:
    described: dict[str, str] = {}
    for names, unit, _ in rows(section("A file of months")):
        units = unit.split(", ") * len(codes(names))
        described |= dict(zip(codes(names), units, strict=False))
    assert described == {column.name: column.kind.value for column in COLUMNS}
    required = [codes(names) for names, _, text in rows(section("A file of months")) if "required" in text]
    assert required == [[column.name for column in COLUMNS if column.required]]


def test_the_column_map_is_taken() -> None:
    shown = yaml.safe_load(block("column map"))
    read = ColumnMap.model_validate(shown)
    assert set(shown) == set(ColumnMap.model_fields)
    assert (read.decimal, read.thousands) == (",", ".")


def test_every_route_is_described() -> None:
    paths = create_app().openapi()["paths"]
    there = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    described = [codes(row[0])[0] for row in rows(section("One call"))]
    assert sorted(described) == sorted(there)


def test_every_lever_is_named() -> None:
    assert set(LEVER_BOUNDS) <= set(codes(section("Forward prediction")))


# The page itself


def test_links_lead_somewhere() -> None:
    links = [(at, link) for at, text in TEXTS.items() for link in re.findall(r"\]\(([^)#]+)\)", text)]
    assert len(links) > 10
    assert [link for at, link in links if not (at.parent / link).exists()] == []
    assert {at.name for at in PAGES[1:]} <= {link.removeprefix("docs/") for at, link in links if at == README}
    modules = [code for code in codes(TEXT) if code.endswith(".py") and "/" in code]
    tops = (ROOT, ROOT / "studio_pipeline")
    assert [module for module in modules if not any((top / module).is_file() for top in tops)] == []


def test_the_pages_are_short_and_their_lines_too() -> None:
    assert len(TEXTS[README].splitlines()) <= 200
    for at, text in TEXTS.items():
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
        long = [line for line in prose.splitlines() if len(line) > 110 and not line.startswith("|")]
        assert long == [], at.name
        assert len(text.splitlines()) < 300, at.name


def test_no_path_of_one_machine() -> None:
    assert not re.search(r"(?<![\w.}…])/(tmp|home|root|work|Users|var|opt)\b", TEXT)
    assert str(ROOT) not in TEXT
    assert str(Path.home()) + "/" not in TEXT


# What it shows, run


def test_the_readme_shows_the_end_of_that_run() -> None:
    assert last_part(block("studio run prints")) == block("studio run ends with"), RENEW


@pytest.mark.slow
def test_the_first_command_prints_answers_and_leaves_what_is_shown(tmp_path: Path) -> None:
    assert shutil.which("studio", path=Path(sys.executable).parent), "installed as the README says"
    assert not set(without_settings()) & set(setting_names().values())
    assert masked(run_in(tmp_path, "run")) == masked(block("studio run prints")), RENEW
    described = set(re.findall(r"[\w.]+/?(?=[\s;]|$)", block("home")))
    left = {f"{path.name}/" if path.is_dir() else path.name for path in (tmp_path / ".studio").iterdir()}
    assert len(left) > 10
    assert left <= described
    answers = ask(tmp_path / ".studio")
    for name in ANSWERS:
        assert masked(answer_block(name, answers)) == masked(block(f"answer {name}")), (name, RENEW)
    assert "Release 1 in …/.studio" in run_in(tmp_path, "status")
