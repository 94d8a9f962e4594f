"""Subcommands of `studio`, one module each; their imports are delayed until they are called."""
