"""Backtest predictions and their metrics: the table, its metrics and summary, and paired comparison."""
