"""Exceptions of the product, in one tree; each carries what happened and a remedy."""

from __future__ import annotations


class StudioError(Exception):
    """Base: a sentence on what happened, with file, line and field if any, and one on what to do about it."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what} {remedy}".strip())
        self.what = what
        self.remedy = remedy


class SettingsError(StudioError):
    """A setting or a configuration value is wrong."""


class InputError(StudioError):
    """Something a user gave can't be used."""


class UnreadableFileError(InputError):
    """A file can't be read at all."""


class ColumnMapError(InputError):
    """A column map names what isn't there, or is malformed."""


class NoUsableDataError(InputError):
    """Nothing is left to work with."""


class QueryError(StudioError):
    """A query that the model can't answer."""


class UnknownStudioError(QueryError):
    """There are no months of this studio, and too few levers were given to do without."""


class BaseMonthError(QueryError):
    """The studio has no such month."""


class LeverError(QueryError):
    """A lever is out of bounds, not carried by the studio's data, or misplaced."""


class ClosedStudioError(QueryError):
    """The studio has closed, so that there is nothing to plan."""


class ReleaseError(StudioError):
    """The release can't be used, or can't be replaced."""


class NoReleaseError(ReleaseError):
    """Nothing is published yet."""


class CorruptReleaseError(ReleaseError):
    """The hashes of a published folder don't match, or a file is missing."""


class ModelFormatError(ReleaseError):
    """Another version of this program wrote the model."""


class SyntheticReleaseError(ReleaseError):
    """A release made from real files would be replaced by a synthetic one."""


class BackupError(StudioError):
    """A backup can't be taken or restored."""


class PlanError(StudioError):
    """A plan breaks the limits it was made under: a bug."""


class BusyError(StudioError):
    """The queue of requests is full."""


class StorageError(StudioError):
    """The disk is full or read-only, or permission is missing."""


class DatabaseError(StudioError):
    """The service's own tables can't be used now."""


class ChannelError(StudioError):
    """An alert channel could not deliver a message; the text contains no secret."""


class UnknownScenarioError(StudioError):
    """Nothing is saved under this id."""


class RunInProgressError(StudioError):
    """Another run, or `studio up`, holds the lock of this STUDIO_HOME."""
