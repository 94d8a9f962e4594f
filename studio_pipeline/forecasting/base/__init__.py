"""Definitions that every part of the model shares: queries, bounds, hyperparameters, flows and origins.

Nothing here is fitted, and nothing here imports from the other packages of `forecasting`.
"""
