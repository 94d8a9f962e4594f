"""Old import path of the schema revision in `serving.storage.schema`."""

from serving.storage.schema import SCHEMA_REVISION

__all__ = ["SCHEMA_REVISION"]
