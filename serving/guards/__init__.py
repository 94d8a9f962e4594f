"""What stands in front of the routes: who may ask, how often, how much, and what every answer carries."""
