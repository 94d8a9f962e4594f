"""Backtest predictions and their metrics."""
