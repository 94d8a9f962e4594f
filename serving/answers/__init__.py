"""Answers of the routes: forecasts, plans, insights and scenarios as JSON fields, cached and recorded."""
