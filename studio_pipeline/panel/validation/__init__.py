"""Validation of raw months: types, limits, outliers, duplicates, derived columns, schemas."""
