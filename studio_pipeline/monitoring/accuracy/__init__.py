"""Live accuracy: logged and published forecasts, scored against the months that arrived."""
