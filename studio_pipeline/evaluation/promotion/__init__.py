"""Promotion of a model: guard rails, the release decision, and refits of the champion's recipe."""
