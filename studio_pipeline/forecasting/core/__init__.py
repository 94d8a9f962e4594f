"""The stock-and-flow core: Kalman filters of the flows, seasonality, simulation of members and revenue.

Responses to levers are estimated in `responses`; corrections of the core's errors are fitted in `learners`.
"""
