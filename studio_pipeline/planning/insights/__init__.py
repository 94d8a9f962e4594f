"""Insights: what drives a studio's change of revenue, and steps that would pay."""
