"""Responses of members to levers: regressors, GLS estimates, priors and partial pooling.

The responses are applied in `core.simulation`.
"""
