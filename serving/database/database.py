"""Old import path of `serving.storage.database`."""

from serving.storage.database import Database

__all__ = ["Database"]
