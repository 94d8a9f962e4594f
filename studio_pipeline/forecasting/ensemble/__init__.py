"""Ensemble of core, baselines and learners: candidates, weights and its correction under levers."""
