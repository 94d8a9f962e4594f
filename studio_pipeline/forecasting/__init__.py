"""The studio model: a stock-and-flow core, learners on what it misses, an ensemble, intervals and answers."""
