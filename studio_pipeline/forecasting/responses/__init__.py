"""Responses of members to levers: regressors, GLS estimates, priors and partial pooling."""
