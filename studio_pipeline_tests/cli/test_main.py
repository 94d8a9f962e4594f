"""The command itself: quick to start, errors in one or two lines, the traceback in a file."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from studio_pipeline.cli.main import COMMANDS
from studio_pipeline.errors import StorageError
from studio_pipeline_tests.cli.conftest import studio

pytestmark = pytest.mark.usefixtures("home")
HEAVY = ("dagster", "mlflow", "pandas", "numpy", "matplotlib", "fastapi", "sklearn")


def shown_when_raising(error: Exception, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is printed when a command ends with an error."""

    @click.command("status")
    def command() -> None:
        raise error

    monkeypatch.setattr("studio_pipeline.cli.commands.status.status_command", command)
    shown = studio("status")
    assert shown.exit_code == 1
    return shown.output.splitlines()


def test_help_names_every_command_and_others_are_refused() -> None:
    shown = studio("--help")
    assert shown.exit_code == 0
    assert all(f"  {name} " in shown.output for name in COMMANDS)
    unknown = studio("rnu")
    assert (unknown.exit_code, "No such command 'rnu'" in unknown.output) == (2, True)


def test_status_of_an_empty_home_and_with_a_wrong_setting(monkeypatch, tmp_path) -> None:
    shown = studio("status")
    assert shown.exit_code == 0
    assert shown.output == f"Nothing is published in {tmp_path / 'home'} yet. Run `studio run`.\n"
    monkeypatch.setenv("STUDIO_RATE_LIMIT", "often")
    shown = studio("status")
    assert (shown.exit_code, "Traceback" in shown.output) == (1, False)
    assert "STUDIO_RATE_LIMIT=often" in shown.output


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


def test_an_expected_error_is_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    error = StorageError("The disk is full.", "Free some space.")
    assert shown_when_raising(error, monkeypatch) == ["The disk is full.", "Free some space."]


def test_a_fault_is_one_line_and_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = tmp_path / "home" / "logs" / "errors.log"
    fault = "This is a fault of the program: ZeroDivisionError: division by zero"
    assert shown_when_raising(ZeroDivisionError("division by zero"), monkeypatch) == [
        fault,
        f"Details: {log}",
    ]
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize("command", ["run", "status", "serve", "up"])
@pytest.mark.parametrize("below", [".", "deeper"])
def test_a_home_that_is_a_file_is_told_in_two_lines(monkeypatch, tmp_path, command, below) -> None:
    (tmp_path / "home").write_text("I am a file")
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path / "home" / below))
    monkeypatch.setattr("serving.server.uvicorn.run", lambda *_, **__: pytest.fail("it was started"))
    shown = studio(command)
    assert shown.exit_code == 1
    what, remedy = shown.output.splitlines()
    assert str(tmp_path / "home") in what
    assert remedy == "A file stands where a folder should be: move it away, or point STUDIO_HOME elsewhere."


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
@pytest.mark.parametrize("command", ["run", "up"])
def test_a_home_that_can_not_be_made_is_told_in_two_lines(monkeypatch, command) -> None:
    monkeypatch.setenv("STUDIO_HOME", "/proc/nope")
    shown = studio(command)
    assert shown.exit_code == 1
    *_, what, remedy = shown.output.splitlines()
    assert what == f"Could not write /proc/nope/{command}.lock: No such file or directory."
    assert remedy == "This folder is not there and can't be made: point STUDIO_HOME elsewhere."
