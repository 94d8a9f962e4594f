"""What a new model is measured against: the published release, where its months are of the same kind."""

from __future__ import annotations

import dagster as dg

from studio_pipeline.errors import NoReleaseError
from studio_pipeline.publishing.releases import Release, Source, current_release
from studio_pipeline.settings import Settings


def source_of(instance: dg.DagsterInstance) -> Source:
    """Where the latest raw months came from."""
    event = instance.get_latest_materialization_event(dg.AssetKey("raw_studio_months"))
    stored = (
        event.asset_materialization.metadata["source"].value
        if event and event.asset_materialization
        else None
    )
    return "landing" if stored == "landing" else "generator"


def champion_of(settings: Settings, source: Source) -> Release | None:
    """The published release, if it is from the same kind of months: synthetic ones judge no real ones."""
    try:
        release = current_release(settings.home)
    except NoReleaseError:
        return None
    return release if release.source == source else None
