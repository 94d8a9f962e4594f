"""Promotion of a model: guard rails, the decision, and refits of the champion's recipe."""
