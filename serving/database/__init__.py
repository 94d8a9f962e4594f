"""Old import path of `serving.storage`, for `studio_pipeline.cli.commands.database`."""
