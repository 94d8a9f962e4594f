"""Synthetic fleet generator: monthly data of studios from a known stochastic process.

The true effects of levers are part of the process (`planted_responses`) and can be computed (`truth`), so
that estimates can be tested against them.
"""
