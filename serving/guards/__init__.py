"""Middleware that protects the routes: access, rates, sizes, deadlines, headers."""
