"""Dagster resources: MLflow, asset storage, run configuration and alert channels; and helpers for results.

What is stored and shown is decided in `assets`; nothing here depends on a particular asset.
"""
