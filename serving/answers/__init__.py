"""From a checked request to the JSON of its answer."""
