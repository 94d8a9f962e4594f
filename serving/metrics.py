"""Prometheus metrics: requests by route, the release, and the counters of other services.

Several workers share their counts through files in the folder that PROMETHEUS_MULTIPROC_DIR names, so that
any of them reports all; the library reads that variable when it is imported.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from serving.model_store import ModelStore

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds: a forward answer takes about one millisecond, a plan a hundred."""

SHARE_SECONDS = 1.0  # interval in which a worker writes its counts into the shared folder


class Counted(Protocol):
    """A service that counts what happens to it, by event; counts only grow."""

    @property
    def counters(self) -> Mapping[str, int]:
        """The count of each event since the process began."""


class ServiceMetrics:
    """The figures of one application."""

    def __init__(self) -> None:
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        self._folder = Path(folder) if folder else None
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        if self._folder is None:
            ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "http_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "From the end of a request's headers to the end of its answer.",
            ("method", "route"),
            registry=self._registry,
            buckets=BUCKETS,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._collectors: list[Collector] = []
        self._followed: list[Callable[[], None]] = []
        self._publishing = Lock()

    def note_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer; there are few routes, since ids are none of their names."""
        key = (method, route, status)
        if (children := self._children.get(key)) is None:
            children = self._requests.labels(*map(str, key)), self._seconds.labels(method, route)
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def collect(self, collector: Collector) -> None:
        """Show what a collector yields: facts that all workers share, such as the release."""
        self._collectors.append(collector)
        if self._folder is None:
            self._registry.register(collector)

    def follow_counters(self, name: str, description: str, source: Counted) -> None:
        """Show what a service counts, as `<name>_total` by `event`, over all workers."""
        counter = Counter(name, description, ("event",), registry=self._registry)
        seen: dict[str, int] = {}

        def publish() -> None:
            for event, count in source.counters.items():
                counter.labels(event).inc(count - seen.get(event, 0))
                seen[event] = count

        self._followed.append(publish)

    def follow_gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Show a figure that goes up and down, such as the length of a queue, summed over all workers."""
        gauge = Gauge(name, description, registry=self._registry, multiprocess_mode="livesum")
        self._followed.append(lambda: gauge.set(read()))

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        self.publish()
        if self._folder is None:
            return generate_latest(self._registry)
        _forget_dead_workers(self._folder)
        of_all_workers = CollectorRegistry()
        MultiProcessCollector(of_all_workers, str(self._folder))  # type: ignore[no-untyped-call]
        for collector in self._collectors:
            of_all_workers.register(collector)
        return generate_latest(of_all_workers)

    def publish(self) -> None:
        """Take over what the followed services count now."""
        with self._publishing:
            for publish in self._followed:
                publish()

    async def share(self) -> None:
        """For ever take over what the services of this worker count, where others answer for it too."""
        while self._folder is not None:
            self.publish()
            await asyncio.sleep(SHARE_SECONDS)


def _forget_dead_workers(folder: Path) -> None:
    """Leave gauges of workers that have died out of the sums; what they counted stays counted."""
    for file in folder.glob("gauge_live*.db"):
        worker = int(file.stem.rpartition("_")[2])
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            mark_process_dead(worker, str(folder))  # type: ignore[no-untyped-call]
        except PermissionError:  # it is alive, and another user's
            continue


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
