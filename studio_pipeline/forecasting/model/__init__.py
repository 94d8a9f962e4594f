"""Model versions: assembly from fits, recipe and storage."""
