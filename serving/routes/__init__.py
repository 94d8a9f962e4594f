"""HTTP routes: each calls a service and returns its answer."""
