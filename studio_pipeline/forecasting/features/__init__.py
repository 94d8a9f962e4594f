"""Features of a studio at a base month, the same for training and serving."""
