"""Insights: attribution of a forecast change in revenue to drivers, and recommended lever steps."""
