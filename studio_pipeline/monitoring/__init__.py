"""Monitoring of what is published: live accuracy and drift."""
