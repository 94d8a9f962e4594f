"""Drift of the studios' inputs and of forecast errors."""
