"""Rolling-origin backtests: folds, baselines and out-of-fold predictions."""
