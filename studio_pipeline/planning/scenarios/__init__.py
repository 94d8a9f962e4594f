"""Scenarios: comparison of forecasts under different levers, studios and base months."""
