"""The `studio` command: a module a subcommand."""

from studio_pipeline.cli.main import main

__all__ = ["main"]
