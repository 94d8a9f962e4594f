"""The group of commands, and errors as one or two lines, with the traceback in a file."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from studio_pipeline.cli.messages import as_called
from studio_pipeline.errors import SettingsError, StudioError

COMMANDS = {
    "run": "studio_pipeline.cli.commands.run",
    "up": "studio_pipeline.cli.commands.up",
    "serve": "studio_pipeline.cli.commands.serve",
    "import": "studio_pipeline.cli.commands.import_files",
    "status": "studio_pipeline.cli.commands.status",
    "models": "studio_pipeline.cli.commands.models",
    "rollback": "studio_pipeline.cli.commands.rollback",
    "prune": "studio_pipeline.cli.commands.prune",
    "backup": "studio_pipeline.cli.commands.backup",
    "restore": "studio_pipeline.cli.commands.restore",
    "database": "studio_pipeline.cli.commands.database",
}
FAILED, INTERRUPTED = 1, 130


class StudioGroup(click.Group):
    """Imports a command's module when it is asked for, and turns errors into sentences."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order in which one needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an expected error is told in its own words, any other in one line and a file."""
        try:
            return super().invoke(ctx)
        except StudioError as error:
            _tell(error)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - the last place where a person can still be told
            _tell_fault(error)
        sys.exit(FAILED)


def _tell_fault(error: Exception) -> None:
    from studio_pipeline.cli.messages import disk_refusal

    refusal = disk_refusal(error, Path(os.environ.get("STUDIO_HOME", ".studio")))
    if refusal is not None:
        _tell(refusal)
        return
    click.secho(f"This is a fault of the program: {type(error).__name__}: {error}", fg="red", err=True)
    _keep_traceback(error)


def _tell(error: StudioError) -> None:
    click.secho(as_called(error.what), fg="red", err=True)
    if error.remedy:
        click.echo(as_called(error.remedy), err=True)
    if error.__cause__ is not None:
        _keep_traceback(error)


def _keep_traceback(error: BaseException) -> None:
    """Append the traceback to a file in STUDIO_HOME, and say where.

    Where there is no such place, a fault's is printed; an expected error has said all there is to say.
    """
    text = "".join(traceback.format_exception(error))
    path = _log_file()
    try:
        if path is None:
            raise FileNotFoundError
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"--- {datetime.now(UTC).isoformat(timespec='seconds')}\n{text}\n")
    except OSError:
        if not isinstance(error, StudioError):
            click.echo(text, err=True)
    else:
        click.echo(f"Details: {path}", err=True)


def _log_file() -> Path | None:
    from studio_pipeline.settings import read_settings

    try:
        return read_settings().home / "logs" / "errors.log"
    except SettingsError:
        return None


@click.group(cls=StudioGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="studio-revenue-simulator")
def main() -> None:
    """What a fitness studio's revenue will be, what it would be after a change, and what to change."""
