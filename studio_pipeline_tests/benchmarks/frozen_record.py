"""A record of what the product does, to be held beside that of a restructured tree. From the root of a tree:

    python -m studio_pipeline_tests.benchmarks.frozen_record record OUT_DIR [--world HISTORY_CSV]
    python -m studio_pipeline_tests.benchmarks.frozen_record compare A_DIR B_DIR [--relative 1e-9]

It knows the command line, the files of a STUDIO_HOME, HTTP, and Dagster's definitions and events, and imports
nothing else of the product, so that it runs unchanged after modules have moved; `frozen_requests` beside it
holds what is asked over HTTP. Ids are numbered by their place
in a record; times, durations, ports and paths are masked.
"""

import argparse
import hashlib
import json
import math
import os
import random
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import dagster as dg
import numpy as np
import onnx
import pandas as pd

from .frozen_requests import Client

CLI = (sys.executable, "-m", "studio_pipeline.cli")
PORTS = range(8500, 8600)
MOST_CELLS = 200_000  # of a table as rows; of a larger one a part of the rows, and digests of its columns
FOREIGN = ("STUDIO_", "OPENAI_", "MLFLOW_", "DAGSTER_")
ID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{32}\b")
SKOPS_ID = re.compile(r'(?<="__id__": )\d+|\d+(?=\.npy")')
IMAGE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+")
MASKS = {
    r"\b\d{4}-\d\d-\d\d[T ](?!00:00:00)\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?": "<time>",
    r" *\b\d+(\.\d+)? (s|ms|seconds|minutes)\b": " <duration>",
    r"(127\.0\.0\.1|localhost):\d+": r"\1:<port>",
    r"\brun [0-9a-f]{8}\b": "run <id>",
    r"\bcursor=[\w-]{40,}": "cursor=<cursor>",
}
# Tags: hashes of files whose bytes differ from run to run.
UNSTABLE = ("dagster/data_version", "dagster/input_")
MASKED_KEYS = ("next_cursor", "retry-after")
EXACT = "exact_sha256"
"""The key of a hash of floats or of a model's bytes, which is compared only where no tolerance is given."""

SHOWN = 20
LEAST_RELATIVE = {"batch.jsonl": 1e-9}
"""The service cuts a batch into parts by how long they take, and the last digits of an answer hang on which
others are computed with it.
"""
TEXTS = ("description", "summary")


@dataclass(frozen=True)
class Comparison:
    relative: float
    ignores_descriptions: bool

    def differences(self, one: Any, other: Any, path: str = "$") -> Iterator[tuple[str, Any, Any]]:
        """JSON paths where two values differ, and what stands there."""
        if isinstance(one, dict) and isinstance(other, dict):
            for key in sorted(one.keys() | other.keys()):
                pair = one.get(key, "<absent>"), other.get(key, "<absent>")
                is_text = key in TEXTS and all(isinstance(value, str | None) for value in pair)
                is_left_out = (self.relative and key == EXACT) or (self.ignores_descriptions and is_text)
                if not is_left_out:
                    yield from self.differences(*pair, f"{path}.{key}")
        elif isinstance(one, list) and isinstance(other, list):
            for number, pair in enumerate(zip_longest(one, other, fillvalue="<absent>")):
                yield from self.differences(*pair, f"{path}[{number}]")
        elif not self.are_same(one, other):
            yield path, one, other

    def are_same(self, one: Any, other: Any) -> bool:
        """Numbers within the tolerance; a type is part of an answer."""
        if isinstance(one, float) and isinstance(other, float):
            near_zero = 1e-9 if self.relative else 0.0
            both_unknown = math.isnan(one) and math.isnan(other)
            return both_unknown or math.isclose(one, other, rel_tol=self.relative, abs_tol=near_zero)
        return type(one) is type(other) and bool(one == other)

    def folders(self, one: Path, other: Path) -> Iterator[str]:
        """Differences of all lines of two records, in words."""
        names = {str(path.relative_to(root)) for root in (one, other) for path in root.rglob("*.jsonl")}
        for name in sorted(names):
            if not ((one / name).exists() and (other / name).exists()):
                yield f"{name}: only in {one if (one / name).exists() else other}"
                continue
            within = replace(self, relative=max(self.relative, LEAST_RELATIVE.get(Path(name).name, 0.0)))
            with (one / name).open(encoding="utf-8") as left, (other / name).open(encoding="utf-8") as right:
                for number, pair in enumerate(zip_longest(left, right, fillvalue='"<absent>"'), 1):
                    if pair[0] != pair[1]:
                        for path, a, b in within.differences(*map(json.loads, pair)):
                            yield f"{name}:{number} {path}\n    {shown(a)}\n    {shown(b)}"


def shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Masked:
    """Takes out of a value what differs from run to run; an id becomes its number within the value."""

    paths: dict[str, str]
    ids: dict[str, str] = field(default_factory=dict)

    def value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                self.text(key): f"<{key}>" if key in MASKED_KEYS and item else self.value(item)
                for key, item in value.items()
                if not key.startswith(UNSTABLE)
            }
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def text(self, text: str) -> str:
        for path, name in self.paths.items():
            text = text.replace(path, name)
        text = IMAGE.sub(lambda m: f"<image {sha(m[0].encode())}>", text)
        for pattern, to in MASKS.items():
            text = re.sub(pattern, to, text)
        return ID.sub(lambda m: self.ids.setdefault(m[0], f"<id {len(self.ids) + 1}>"), text)


@dataclass(frozen=True)
class Record:
    folder: Path
    paths: dict[str, str]

    def add(self, name: str, /, **content: Any) -> None:
        target = self.folder / f"{name}.jsonl"
        target.parent.mkdir(parents=True, exist_ok=True)
        plain = json.loads(json.dumps(content, default=lambda v: v.item() if hasattr(v, "item") else str(v)))
        with target.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(Masked(self.paths).value(plain), sort_keys=True) + "\n")


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Of a child: this tree, a home of its own, and no setting of whoever starts this."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return inherited | {"PYTHONPATH": str(Path.cwd()), "STUDIO_HOME": str(home), "COLUMNS": "120"} | settings


def run_cli(record: Record, home: Path, *given: str) -> None:
    done = subprocess.run(
        [*CLI, *given], cwd=home.parent, env=environment(home), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"studio {' '.join(given)}:\n{done.stdout}\n{done.stderr}")
    record.add("cli", command=given, stdout=done.stdout.splitlines(), stderr=done.stderr.splitlines())


def record_graph(record: Record) -> None:
    from studio_pipeline import definitions

    if not Path(str(definitions.__file__)).is_relative_to(Path.cwd()):
        raise RuntimeError(f"{definitions.__file__} is not of the tree in {Path.cwd()}")
    graph, repository = definitions.defs.resolve_asset_graph(), definitions.defs.get_repository_def()
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        told: dict[str, Any] = {"group": node.group_name, "kinds": sorted(node.kinds)}
        told["owners"] = list(node.owners)
        told |= {"tags": dict(node.tags), "code_version": node.code_version, "description": node.description}
        told["deps"] = sorted(parent.to_user_string() for parent in node.parent_keys)
        checks = [graph.get(check) for check in graph.asset_check_keys if check.asset_key == key]
        blocks = {it.key.name: {"blocks": it.blocking, "description": it.description} for it in checks}
        told["checks"] = blocks
        record.add("asset_graph", asset=key.to_user_string(), **told)
    for job in sorted(repository.get_all_jobs(), key=lambda job: job.name):
        assets = sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys)
        record.add("asset_graph", job=job.name, assets=assets, tags=dict(job.tags))
    automation: list[Any] = [*repository.sensor_defs, *repository.schedule_defs]
    for one in sorted(automation, key=lambda one: one.name):
        about = {"cron": getattr(one, "cron_schedule", None), "status": one.default_status.value}
        record.add("asset_graph", automation=one.name, description=one.description, **about)


def digest(values: Any) -> dict[str, Any]:
    """Of the values of a column or array: a hash, and sums that a tolerance can be put on."""
    flat = values.ravel()
    told: dict[str, Any] = {"dtype": str(values.dtype), "shape": list(values.shape)}
    if flat.dtype.kind not in "biuf":
        return told | {"sha256": sha(Masked({}).text("\n".join(map(str, flat))).encode())}
    known = np.where(np.isfinite(flat), flat, 0).astype(float)
    told |= {EXACT: sha(flat.tobytes()), "unknown": int((~np.isfinite(flat)).sum())}
    place = known @ np.linspace(1, 2, len(known))
    return told | {"sum": known.sum(), "size": np.abs(known).sum(), "place": place}


def stable_bytes(path: Path) -> bytes:
    """A file without what differs from run to run: the order of operator sets in LightGBM's ONNX graphs,
    and addresses in memory and times in skops files.
    """
    if path.suffix == ".onnx":
        model = onnx.load(str(path))
        model.opset_import.sort(key=lambda one: (one.domain, one.version))
        return bytes(model.SerializeToString(deterministic=True))
    if path.suffix != ".skops":
        return path.read_bytes()
    ids: dict[str, str] = {}
    with zipfile.ZipFile(path) as archive:
        schema, there = archive.read("schema.json").decode(), archive.namelist()
        schema = re.sub(SKOPS_ID, lambda m: ids.setdefault(m[0], f"<{len(ids) + 1}>"), schema)
        arrays = [archive.read(f"{name}.npy") for name in ids if f"{name}.npy" in there]
    return b"".join([schema.encode(), *arrays])


def record_file(record: Record, file: str, name: str, path: Path) -> None:
    if path.suffix in (".parquet", ".csv"):
        is_csv = path.suffix == ".csv"
        frame = pd.read_csv(path, float_precision="round_trip") if is_csv else pd.read_parquet(path)
        step = frame.size // MOST_CELLS + 1
        columns = {str(column): digest(frame[column].to_numpy()) for column in frame}
        record.add(file, file=name, rows=len(frame), columns=columns)
        for number, row in enumerate(frame.iloc[::step].to_dict("records")):
            record.add(file, file=name, row=number * step, values=row)
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            record.add(file, file=name, arrays={key: digest(arrays[key]) for key in arrays})
    elif path.suffix == ".json":
        content = json.loads(path.read_text())
        if path.name == "manifest.json":
            content = {"files": sorted(content["files"]), "details": content["details"]}
        record.add(file, file=name, content=content)
    elif path.suffix == ".html":
        record.add(file, file=name, lines=path.read_text().splitlines())
    else:
        record.add(file, file=name, **{EXACT: sha(stable_bytes(path))})


def record_home(record: Record, home: Path) -> None:
    """What a run has written, and what it told Dagster and MLflow."""
    for part in ("*.json", "*.html", "releases/*", "models/*/*", "data/*/*", "forecasts/*", "assets/*/*/*"):
        for path in sorted(path for path in home.glob(part) if path.is_file()):
            name = str(path.relative_to(home))
            record_file(record, "/".join(name.split("/")[:2]) if "assets" in part else "home", name, path)
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        for table in ("params", "latest_metrics", "tags", "model_version_tags"):
            for key, value in sorted(database.execute(f"SELECT key, value FROM {table}")):  # noqa: S608
                if not key.startswith("mlflow."):
                    record.add("mlflow", table=table, key=key, value=value)
    told: dict[tuple[str, str], dict[str, Any]] = {}
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        entries = [entry for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    for event in [entry.dagster_event for entry in entries if entry.dagster_event]:
        if event.is_step_materialization:
            made = event.step_materialization_data.materialization
            told[made.asset_key.to_user_string(), ""] = {"tags": made.tags, "metadata": made.metadata}
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            outcome = [check.passed, check.blocking, check.severity.value, check.description]
            content: dict[str, Any] = {"outcome": outcome, "metadata": check.metadata}
            told[check.asset_key.to_user_string(), check.check_name] = content
    for (asset, name), content in sorted(told.items(), key=lambda item: item[0]):
        plain = {key: json.loads(dg.serialize_value(value)) for key, value in content["metadata"].items()}
        record.add("events", asset=asset, check=name, **content | {"metadata": plain})


@contextmanager
def served(home: Path, **settings: str) -> Iterator[int]:
    """`studio serve`, once it answers; its port."""
    port = next(port for port in PORTS if not can_connect(port))
    log, environ = home.parent / "serve.log", environment(home, **settings)
    with log.open("ab") as out:
        command = [*CLI, "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=home.parent, env=environ, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 120
        while not can_connect(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text())
            time.sleep(0.1)
        with urlopen(f"http://127.0.0.1:{port}/api/v1/health") as answer:
            if json.load(answer)["status"] != "healthy":
                raise RuntimeError(log.read_text())
        yield port
    finally:
        process.terminate()
        process.wait(timeout=60)


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def record_service(record: Record, home: Path, seed: int, is_guarded: bool) -> None:
    """What the service answers, then what it has kept."""
    with served(home, STUDIO_RATE_LIMIT="1000000/second") as port:
        Client(record.add, port, random.Random(seed)).everything()
    with closing(sqlite3.connect(home / "service.db")) as database:
        for name, sql in database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall():
            is_table = (sql or "").startswith("CREATE TABLE")
            rows = database.execute(f"SELECT count(*) FROM {name}").fetchone() if is_table else None  # noqa: S608
            record.add("service_tables", name=name, sql=sql, rows=rows)
    if is_guarded:
        keys = "all-studios,few-studios:*-0000*,other-studios:none-*"
        with served(home, STUDIO_RATE_LIMIT="40/hour", STUDIO_API_KEYS=keys) as port:
            Client(record.add, port, random.Random(seed)).guarded()


def record_all(out: Path, world: Path | None, kept: Path | None) -> None:
    """Make the record; the homes are deleted, or kept in a folder."""
    if out.exists() and any(out.iterdir()):
        raise SystemExit(f"{out} is not empty.")
    work = Path(tempfile.mkdtemp(prefix="frz-"))
    try:
        for seed, name in enumerate(("fleet", "world") if world else ("fleet",), 1):
            home, start = work / name / "home", time.monotonic()
            home.parent.mkdir()
            paths = {str(home): "<home>", str(home.parent): "<work>", str(Path.cwd()): "<tree>"}
            record = Record(out / name, paths | ({str(world): "<world>"} if world else {}))
            if name == "fleet":
                record_graph(Record(out / "tree", paths))
                for command in ("", "run", "up", "serve", "import", "prune", "database"):
                    run_cli(Record(out / "tree", paths), home, *command.split(), "--help")
                run_cli(record, home, "run", "--studios", "40", "--months", "48")
            else:
                run_cli(record, home, "import", str(world))
                run_cli(record, home, "run")
            ran = time.monotonic()
            record_home(record, home)
            for command in ("status", "models"):
                run_cli(record, home, command)
            read = time.monotonic()
            record_service(record, home, seed, is_guarded=name == "fleet")
            spans = [f"{s:.0f}" for s in (ran - start, read - ran, time.monotonic() - read)]
            sys.stdout.write(f"{name}: seconds of run, files and service: {', '.join(spans)}\n")
            sys.stdout.flush()
    finally:
        if kept:
            shutil.copytree(work, kept)
        shutil.rmtree(work)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record")
    recording.add_argument("out", type=Path)
    recording.add_argument("--world", type=Path, help="a history.csv, for a second home")
    recording.add_argument("--keep", type=Path, help="an absent folder that takes the homes")
    comparing = commands.add_parser("compare")
    comparing.add_argument("one", type=Path)
    comparing.add_argument("other", type=Path)
    comparing.add_argument(
        "--relative", type=float, default=0.0, help="tolerance of floats; batches have one"
    )
    comparing.add_argument("--ignore-descriptions", action="store_true", help="of OpenAPI and of assets")
    given = parser.parse_args()
    if given.command == "record":
        record_all(given.out, given.world and given.world.resolve(), given.keep)
        return
    found = list(Comparison(given.relative, given.ignore_descriptions).folders(given.one, given.other))
    sys.stdout.write("\n".join([*found[:SHOWN], f"{len(found)} differences", ""]))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
