"""Middleware and parsing that protect the routes: access, rates, sizes, deadlines, headers, strict JSON."""
