"""Predictive distributions: conformal calibration, error scales, market factor, joint simulation."""
