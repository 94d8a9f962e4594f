"""Planning on top of forecasts: inverse plans, comparisons of scenarios, and insights."""
