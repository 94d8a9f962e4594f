"""Features of a studio at a base month and rows of the learners' feature matrix, for training and serving.

Targets of the rows belong to `learners.training_set`.
"""
