"""Search for the learners' hyperparameters."""
