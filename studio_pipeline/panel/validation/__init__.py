"""Validation of raw months: types, limits, outliers, duplicates and derived columns."""
