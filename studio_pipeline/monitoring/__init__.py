"""Monitoring of the published model: live accuracy of its forecasts, and drift of its inputs."""
