"""Texts of the commands: suggested commands as the user calls them, and indented problems.

Disk errors are in `disk_errors`, printing of errors in `main`, the outcome of a run in `outcome`.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import textwrap
from pathlib import Path

NAME = "studio"


def command_name() -> str:
    """`studio` if PATH leads to this program, else the path that it was called by."""
    program = Path(sys.argv[0])
    if program.name != NAME or not program.exists():
        return NAME
    found = shutil.which(NAME)
    return NAME if found and program.samefile(found) else shlex.quote(str(program))


def as_called(text: str) -> str:
    """Replace `studio ...` in a text by the command as it was called."""
    return text.replace(f"`{NAME} ", f"`{command_name()} ")


def indented(problem: str) -> str:
    """Indent a problem of one or more lines, to be printed below a heading."""
    return textwrap.indent(as_called(problem), "  ")
