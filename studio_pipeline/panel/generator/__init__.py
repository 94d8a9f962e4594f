"""The synthetic fleet: generated months of studios whose process is known."""
