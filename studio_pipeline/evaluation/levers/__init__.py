"""Effects of levers: sweeps, signs and, for generated months, the truth."""
