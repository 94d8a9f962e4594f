"""How often the drift monitor is wrong, and what it finds how soon: simulated fleets, and the world alpha.

Run with `python -m studio_pipeline_tests.benchmarks.drift_power PART [--alpha history.csv]`, PART one of
false_alarms (1,000 years), retention, alpha; 5 to 15 minutes each.
"""

# ruff: noqa: T201 - it prints
import argparse
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from studio_pipeline.monitoring.drift.alarms import Alarm, alarms_of
from studio_pipeline.monitoring.drift.charts import drift_charts
from studio_pipeline.monitoring.thresholds import DriftConfig
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline_tests.monitoring.drifting_fleets import (
    fleet_panel,
    retention_drop,
    stand_in_errors,
    with_retention_drop,
)

OPTIONS = DriftConfig()
FIRST_JUDGED = 12
QUIET_FLEETS = ((60, 44), (150, 42), (300, 26))
"""Studios, and fleets of ten years, nine of them judged."""


def alarms(panel: StudioPanel) -> list[Alarm]:
    charts = drift_charts(panel, stand_in_errors(panel), OPTIONS.false_alarms_per_year).charts
    return [alarm for chart in charts for alarm in alarms_of(chart, OPTIONS.recovery_months)]


def false_alarms(first: int = 0, step: int = 1) -> None:
    """Alarms in years without drift: strengths, seasons, seeds and sizes differ; then with an early shock."""
    for shock in (False, True):
        kinds: Counter[str] = Counter()
        years, bad = Counter[int](), Counter[int]()
        for seed in range(first, max(fleets for _, fleets in QUIET_FLEETS), step):
            for studios, fleets in QUIET_FLEETS:
                if seed < (fleets if not shock else fleets // 6):
                    bad[studios] += _alarmed_years(studios, seed, shock, kinds)
                    years[studios] += 9
            shares = {size: f"{bad[size]}/{n}" for size, n in years.items()}
            total = f"{bad.total()} of {years.total()} years"
            print(f"shock {shock}: {total}, {shares}; {dict(kinds)}", flush=True)


def _alarmed_years(studios: int, seed: int, shock: bool, kinds: Counter[str]) -> int:
    drawn = {"shock": shock, "vary": seed % 3 > 0, "seed": 10_000 + 1_000 * studios + seed}
    ends = {"last_month": "2027-12", "shock_month": "2018-06"}
    options = GeneratorConfig(studios=studios, months=120, **drawn, **ends)
    found = [alarm for alarm in alarms(fleet_panel(options)) if alarm.raised >= FIRST_JUDGED]
    kinds.update(f"{alarm.chart.name} in year {alarm.raised // 12 + 1}" for alarm in found)
    return len({alarm.raised // 12 for alarm in found})


def delays(cases: Iterator[tuple[StudioPanel, int]], chart: str) -> list[int]:
    """Months from the change to the first alarm of any chart whose name holds `chart`; 999 for none."""
    found = []
    for panel, since in cases:
        told = [a.raised - since for a in alarms(panel) if chart in a.chart.name and a.raised >= since]
        found.append(min(told, default=999))
    return found


def _affected(studios: int, generator: np.random.Generator) -> np.ndarray:
    hit = np.zeros(studios, dtype=bool)
    hit[generator.permutation(studios)[: studios // 10]] = True
    return hit


def dropped(studios: int, cases: int) -> Iterator[tuple[StudioPanel, int]]:
    for seed in range(cases):
        generator = np.random.default_rng(seed)
        since = int(generator.integers(24, 54))
        size = {"studios": studios, "months": since + 12}
        options = GeneratorConfig(**size, shock=False, vary=True, seed=50_000 + seed)
        yield fleet_panel(options, retention_drop(_affected(studios, generator), 0.05), since), since


def retention(cases: int = 40) -> None:
    """A drop of 5 points of retention in a tenth of the studios."""
    for studios in (300, 60):
        found = np.array(delays(dropped(studios, cases), "retention_rate: some"))
        shares = {months: float((found < months).mean().round(3)) for months in (1, 2, 3, 6, 12)}
        print(f"{studios} studios: found within months {shares}", flush=True)


def alpha(path: Path, cases: int = 24) -> None:
    """The months of a file: its own alarms, then with the drop in the books of a tenth of its studios."""
    panel = panel_from_frame(pd.read_csv(path, parse_dates=["month_year"]))
    start = time.perf_counter()
    own = alarms(panel)
    print(f"{panel.n_studios} studios, {panel.n_months} months: {time.perf_counter() - start:.1f} s")
    print([(alarm.chart.name, str(panel.months[alarm.raised])) for alarm in own], flush=True)
    generator = np.random.default_rng(1)
    found = []
    for _ in range(cases):
        since = int(generator.integers(30, panel.n_months - 6))
        hit = _affected(panel.n_studios, generator)
        shown = with_retention_drop(panel, hit, since, 0.05).until(since + 5)
        told = [a.raised - since for a in alarms(shown) if "retention_rate: some" in a.chart.name]
        found.append(min((months for months in told if months >= 0), default=999))
    print(f"found within 1, 3, 6 months: {[float(np.mean(np.array(found) < m)) for m in (1, 3, 6)]}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=("false_alarms", "retention", "alpha"))
    parser.add_argument("--alpha", type=Path)
    parser.add_argument("--first", type=int, default=0, help="of false_alarms: the first seed")
    parser.add_argument("--step", type=int, default=1, help="and every so manieth after it")
    given = parser.parse_args()
    if given.part == "alpha":
        alpha(given.alpha)
    elif given.part == "false_alarms":
        false_alarms(given.first, given.step)
    else:
        retention()


if __name__ == "__main__":
    main()
