"""Validation of raw months: types, limits, outliers, duplicates and derived columns.

`validation.validate_months` is the entry point. Files are read in `ingest`; checks of the stored tables
against schemas are in `schemas`.
"""
