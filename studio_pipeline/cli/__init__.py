"""The command line `studio`: one module per subcommand in `commands`, and what they share."""

from studio_pipeline.cli.main import main

__all__ = ["main"]
