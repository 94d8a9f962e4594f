"""Evaluation of a model: metrics, effects of levers, promotion and the report."""
