"""Sensors, schedules and jobs of the pipeline."""
