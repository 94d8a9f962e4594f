"""Inverse planning: least-cost lever plans that reach a target revenue."""
