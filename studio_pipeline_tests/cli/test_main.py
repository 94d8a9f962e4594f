"""The command itself: quick to start, errors in one or two lines, the traceback in a file."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from studio_pipeline.cli.main import COMMANDS, main
from studio_pipeline.errors import StorageError

pytestmark = pytest.mark.usefixtures("home")
HEAVY = ("dagster", "mlflow", "pandas", "numpy", "matplotlib", "fastapi", "sklearn")


def raising(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("status")
    def command() -> None:
        raise error

    monkeypatch.setattr("studio_pipeline.cli.commands.status.status_command", command)


def test_help_names_every_command() -> None:
    shown = CliRunner().invoke(main, ["--help"])
    assert shown.exit_code == 0
    assert all(f"  {name} " in shown.output for name in COMMANDS)


@pytest.mark.parametrize("arguments", [["--help"], ["status"], ["run", "--help"], ["up", "--help"]])
def test_starting_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from studio_pipeline.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_nothing_published_says_what_to_do(tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["status"])
    assert shown.exit_code == 0
    assert shown.output == f"Nothing is published in {tmp_path / 'home'} yet. Run `studio run`.\n"


def test_an_expected_error_is_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(StorageError("The disk is full.", "Free some space."), monkeypatch)
    shown = CliRunner().invoke(main, ["status"])
    assert (shown.exit_code, shown.output) == (1, "The disk is full.\nFree some space.\n")


def test_a_fault_is_one_line_and_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    raising(ZeroDivisionError("division by zero"), monkeypatch)
    shown = CliRunner().invoke(main, ["status"])
    log = tmp_path / "home" / "logs" / "errors.log"
    assert shown.exit_code == 1
    assert shown.output.splitlines() == [
        "This is a fault of the program: ZeroDivisionError: division by zero",
        f"Details: {log}",
    ]
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize("command", ["run", "status", "serve", "up"])
@pytest.mark.parametrize("below", [".", "deeper"])
def test_a_home_that_is_a_file_is_told_in_two_lines(monkeypatch, tmp_path, command, below) -> None:
    (tmp_path / "home").write_text("I am a file")
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path / "home" / below))
    monkeypatch.setattr("serving.server.uvicorn.run", lambda *_, **__: pytest.fail("it was started"))
    shown = CliRunner().invoke(main, [command])
    assert shown.exit_code == 1
    what, remedy = shown.output.splitlines()
    assert str(tmp_path / "home") in what
    assert remedy == "A file stands where a folder should be: move it away, or point STUDIO_HOME elsewhere."


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
@pytest.mark.parametrize("command", ["run", "up"])
def test_a_home_that_can_not_be_made_is_told_in_two_lines(monkeypatch, command) -> None:
    monkeypatch.setenv("STUDIO_HOME", "/proc/nope")
    shown = CliRunner().invoke(main, [command])
    assert shown.exit_code == 1
    *_, what, remedy = shown.output.splitlines()
    assert what == f"Could not write /proc/nope/{command}.lock: No such file or directory."
    assert remedy == "This folder is not there and can't be made: point STUDIO_HOME elsewhere."


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_RATE_LIMIT", "often")
    shown = CliRunner().invoke(main, ["status"])
    assert shown.exit_code == 1
    assert "STUDIO_RATE_LIMIT=often" in shown.output
    assert "Traceback" not in shown.output


def test_an_unknown_command_is_refused_by_name() -> None:
    shown = CliRunner().invoke(main, ["rnu"])
    assert shown.exit_code == 2
    assert "No such command 'rnu'" in shown.output
