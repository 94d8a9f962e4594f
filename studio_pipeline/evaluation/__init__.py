"""Evaluation of a model: backtest metrics, effects of levers, promotion and the HTML report.

Works on predictions and models that `forecasting` made. Accuracy on months that arrived after publication is
in `monitoring`.
"""
