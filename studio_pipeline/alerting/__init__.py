"""What is wrong, who was told, and who is still to be told. Nothing here knows Dagster or a network."""
