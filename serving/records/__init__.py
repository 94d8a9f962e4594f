"""What the service keeps: saved scenarios, and the log of its predictions on its way to the database."""
