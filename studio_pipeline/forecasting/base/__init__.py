"""Definitions that every part of the model shares: queries, bounds, hyperparameters, flows and origins."""
