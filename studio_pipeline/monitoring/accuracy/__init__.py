"""Live accuracy: logged and published forecasts, scored by the months that arrived."""
