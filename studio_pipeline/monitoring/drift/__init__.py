"""Drift of the studios' behaviour and of the forecasts' errors."""
