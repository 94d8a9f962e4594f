"""Dagster assets: one module per stage, which is also the group in the web UI.

Asset bodies are short and call the library packages; checks are in `asset_checks`, wiring in `definitions`.
"""
