"""Answers to forward queries from one model version and one panel."""
