"""Command group `studio`: loads subcommands lazily, and prints errors as one or two lines with a log file."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from studio_pipeline.cli.messages import as_called, disk_refusal
from studio_pipeline.errors import SettingsError, StudioError

COMMANDS = {
    "run": "run",
    "up": "up",
    "serve": "up",
    "import": "run",
    "status": "status",
    "models": "models",
    "rollback": "models",
    "prune": "upkeep",
    "backup": "upkeep",
    "restore": "upkeep",
    "database": "upkeep",
}
"""Name of each command to its module in `commands`, where it is `NAME_command`."""

FAILED = 1


class StudioGroup(click.Group):
    """Imports a command's module when it is called, and prints errors as sentences."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All command names, in the usual order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with this name; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"studio_pipeline.cli.commands.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; print the text of a `StudioError`, any other error as one line and a log file."""
        try:
            return super().invoke(ctx)
        except StudioError as error:
            _print_error(error)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - last place to report it
            if refusal := disk_refusal(error, Path(os.environ.get("STUDIO_HOME", ".studio"))):
                _print_error(refusal)
            else:
                fault = f"This is a fault of the program: {type(error).__name__}: {error}"
                click.secho(fault, fg="red", err=True)
                _log_traceback(error)
        sys.exit(FAILED)


def _print_error(error: StudioError) -> None:
    click.secho(as_called(error.what), fg="red", err=True)
    if error.remedy:
        click.echo(as_called(error.remedy), err=True)
    if error.__cause__ is not None:
        _log_traceback(error)


def _log_traceback(error: BaseException) -> None:
    """Append the traceback to a file in STUDIO_HOME, and print its path.

    If the file can't be written, the traceback of an unexpected error is printed; an expected error has
    already been printed in full.
    """
    text = "".join(traceback.format_exception(error))
    from studio_pipeline.settings import read_settings

    try:
        path = read_settings().home / "logs" / "errors.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"--- {datetime.now(UTC).isoformat(timespec='seconds')}\n{text}\n")
    except (OSError, SettingsError):
        if not isinstance(error, StudioError):
            click.echo(text, err=True)
    else:
        click.echo(f"Details: {path}", err=True)


@click.group(cls=StudioGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="studio-revenue-simulator")
def main() -> None:
    """Forecast a fitness studio's revenue, the effect of a change, and the changes that reach a goal."""
