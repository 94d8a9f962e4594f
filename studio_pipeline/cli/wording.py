"""How messages read: suggested commands are found when they are typed, and what has lines is indented."""

from __future__ import annotations

import shlex
import shutil
import sys
import textwrap
from pathlib import Path

NAME = "studio"


def command_name() -> str:
    """`studio` where PATH leads to this program, else the path that it was called by."""
    program = Path(sys.argv[0])
    if program.name != NAME or not program.exists():
        return NAME
    found = shutil.which(NAME)
    return NAME if found and program.samefile(found) else shlex.quote(str(program))


def as_called(text: str) -> str:
    """A text whose commands, written as `studio ...`, become what was called."""
    return text.replace(f"`{NAME} ", f"`{command_name()} ")


def indented(problem: str) -> str:
    """A problem, which may have several lines, below a heading."""
    return textwrap.indent(as_called(problem), "  ")
