"""Synthetic fleet generator: months of studios from a known process, so that estimates can be tested."""
