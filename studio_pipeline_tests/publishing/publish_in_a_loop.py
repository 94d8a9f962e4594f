"""A program that publishes release after release until it is killed: `python publish_in_a_loop.py HOME`."""

import sys
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

import numpy as np

from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.bundles import model_versions, write_bundle
from studio_pipeline.publishing.layout import sweep_home
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.publishing.releases import Release, publish_release
from studio_pipeline.publishing.snapshots import write_panel


def fill(folder: Path) -> None:
    for name in ("a.onnx", "b.onnx", "weights.json"):
        (folder / name).write_bytes(name.encode() * 3000)


def publish(home: Path) -> None:
    version = str(max(map(int, model_versions(home)), default=0) + 1)
    write_bundle(home, version, fill, {"run_id": f"run-{version}"})
    revenue = np.full((20, 24), float(version))
    names = np.array([f"s{row:02}" for row in range(20)])
    panel = StudioPanel(names, names, np.datetime64("2020-01", "M"), {"total_revenue": revenue})
    data_version = write_panel(home, panel)
    moment = datetime.now(UTC)
    made = Release(version, data_version, "landing", date(2021, 12, 1), f"run-{version}", moment)
    publish_release(home, made)


def main(home: Path) -> None:
    with hold_lock(home):
        sweep_home(home, min_age_seconds=0)
        for _ in count():
            publish(home)
            sys.stdout.write(".")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
