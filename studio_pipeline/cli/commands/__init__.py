"""Subcommands of `studio`, a module each."""
