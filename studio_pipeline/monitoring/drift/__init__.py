"""Drift of the studios' inputs, of their responses to levers, and of forecast errors."""
