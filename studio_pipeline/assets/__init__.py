"""The asset graph: module = stage = group in the web UI, in the order of the data."""
