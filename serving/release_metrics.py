"""The release that answers, as figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from serving.model_store import ModelStore


class ReleaseCollector(Collector):
    """Which release answers, how old it and its model are, and whether a newer one could not be loaded."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The figures of this moment; without a release, that there is none."""
        held = self._store.held
        problem = held is None or self._store.problem is not None
        yield GaugeMetricFamily(
            "studio_release_problem", "1 while the published release is not the one that answers.", problem
        )
        if held is None:
            return
        release = held.release
        info = GaugeMetricFamily(
            "studio_release_info",
            "The release that answers.",
            labels=("version", "model_version", "data_version"),
        )
        info.add_metric((str(release.version), release.model_version, release.data_version), 1)
        yield info
        yield _age("studio_release_age_seconds", "Since the release was published.", release.published_at)
        manifest = self._store.manifests().get(release.model_version)
        if manifest is not None:
            made = datetime.fromisoformat(manifest.created_at)
            yield _age("studio_model_age_seconds", "Since the model that answers was made.", made)


def _age(name: str, description: str, since: datetime) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, description, (datetime.now(UTC) - since).total_seconds())
