"""Sensors, schedules and jobs of the pipeline.

Decisions are pure functions in `decisions`; the sensors collect their inputs and request runs.
"""
