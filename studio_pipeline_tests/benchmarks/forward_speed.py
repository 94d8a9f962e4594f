"""What a forward answer costs: `python -m studio_pipeline_tests.benchmarks.forward_speed`.

Fits a model quickly, but with as many trees as by default, on a generated fleet, and prints CPU time of one
core: medians over many calls, beside what an empty call of the libraries costs and what the same answers cost
when nothing is prepared.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES
from studio_pipeline.forecasting.features.feature_matrix import ROW_FEATURES
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.forecaster.projection import project_many
from studio_pipeline.forecasting.forecaster.requests import lever_paths, locate
from studio_pipeline.forecasting.forecaster.state_builder import StateBuilder
from studio_pipeline.forecasting.learners.onnx_ensemble import OnnxSessions
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline_tests.forecasting.fleets import LEARNERS, fit_all, generated_panel

_BACKTEST = {"folds": 1, "max_studios": 60, "max_training_rows": 6_000}
_CORE = {"tuning_rounds": 1, "tuning_studios": 40}
QUICK = ForecastingConfig.model_validate({"core": _CORE, "backtest": _BACKTEST})
Asked = TypeVar("Asked")
BATCH = 1_000
LEVER_RANGES = {
    "avg_ticket_price": (90.0, 160.0),
    "retention_rate": (0.88, 0.95),
    "total_classes_held": (80.0, 140.0),
}


@dataclass(frozen=True)
class Line:
    name: str
    seconds: list[float]


def measured(name: str, calls: Iterator[Callable[[], object]]) -> Line:
    """CPU seconds of each call, the first left out."""
    seconds = []
    for call in calls:
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return Line(name, seconds[1:] or seconds)


def repeated(call: Callable[[Asked], object], asked: Iterable[Asked]) -> Iterator[Callable[[], object]]:
    return (partial(call, one) for one in asked)


def drawn_levers(rng: np.random.Generator) -> dict[str, float]:
    return {lever: float(rng.uniform(*ends)) for lever, ends in LEVER_RANGES.items()}


def queries(panel: StudioPanel, n: int, seed: int, months_ago: int = 0) -> list[ForwardQuery]:
    """Twelve months of one studio after the other, under levers that differ in each."""
    rng = np.random.default_rng(seed)
    month = panel.months[-1 - months_ago] if months_ago else None
    names = [str(panel.studio_ids[k % panel.n_studios]) for k in range(n)]
    return [ForwardQuery(name, month, 12, drawn_levers(rng)) for name in names]


def without_learners(model: StudioModel) -> StudioModel:
    """The model with the learners' weight given to the core."""
    weights = {target: matrix.copy() for target, matrix in model.weights.items()}
    for matrix in weights.values():
        for learner in LEARNERS:
            matrix[:, CANDIDATES.index("core")] += matrix[:, CANDIDATES.index(learner)]
            matrix[:, CANDIDATES.index(learner)] = 0.0
    return replace(model, weights=weights, graphs=None)


def lines_of(name: str, model: StudioModel, panel: StudioPanel, calls: int) -> list[Line]:
    start = time.process_time()
    forecaster = Forecaster(model, panel)
    loaded = Line(f"{name}: all {panel.n_studios} studios prepared", [time.process_time() - start])
    asked = queries(panel, calls, seed=1)
    free = [replace(query, levers={}) for query in asked]
    older = [q for ago in range(1, 13) for q in queries(panel, max(calls // 100, 4), 2, ago)]

    def alone(query: ForwardQuery) -> object:
        return forecaster.forecast([query])

    batches = [queries(panel, BATCH, seed) for seed in range(6)]
    return [
        measured(f"{name}: one studio, three levers", repeated(alone, asked)),
        measured(f"{name}: one studio, free", repeated(alone, free)),
        measured(f"{name}: one studio, base month not prepared", repeated(alone, older)),
        measured(f"{name}: batch of {BATCH:,}", repeated(forecaster.forecast, batches)),
        from_scratch(name, model, panel, asked[: max(calls // 20, 10)]),
        loaded,
    ]


def from_scratch(name: str, model: StudioModel, panel: StudioPanel, asked: list[ForwardQuery]) -> Line:
    """The projections alone, everything made anew for each query."""
    preparation = StateBuilder(model, panel)

    def project(query: ForwardQuery) -> object:
        row, column = locate(query, panel)
        prepared = preparation.prepare(Origins(np.array([row]), np.array([column])))
        return project_many(prepared, preparation.graphs, lever_paths([query]))

    return measured(f"{name}: one studio, from scratch", repeated(project, asked))


def empty_call(model: StudioModel, calls: int) -> Line:
    """The learners' graph on twelve rows of zeros, and nothing around it."""
    graphs = OnnxSessions(model.graphs)
    rows = np.zeros((1, 12, len(ROW_FEATURES)), dtype=np.float32)
    ask = partial(graphs.corrections, rows)
    return measured("reference: the learners' graph alone", (ask for _ in range(calls)))


def table(lines: list[Line]) -> str:
    width = max(len(line.name) for line in lines)
    rows = [f"{'CPU of one core, microseconds':{width}}  {'median':>10}  {'90 %':>10}  {'calls':>6}"]
    for line in lines:
        median, high = np.quantile(line.seconds, [0.5, 0.9]) * 1e6
        rows.append(f"{line.name:{width}}  {median:10,.0f}  {high:10,.0f}  {len(line.seconds):6,}")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU time of forward answers.")
    parser.add_argument("--studios", type=int, default=300)
    parser.add_argument("--months", type=int, default=60)
    parser.add_argument("--calls", type=int, default=1_000)
    options = parser.parse_args()
    panel = generated_panel(options.studios, options.months)
    fitted = fit_all(panel, QUICK)
    everything = fitted.model_of_all
    lines = [empty_call(everything, options.calls)]
    lines += lines_of("core", without_learners(everything), panel, options.calls)
    lines += lines_of("all learners", everything, panel, options.calls)
    sys.stdout.write(table(lines) + "\n")


if __name__ == "__main__":
    main()
