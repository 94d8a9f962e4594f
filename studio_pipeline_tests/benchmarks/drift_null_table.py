"""Simulate the table `MIXTURE_TAILS` of `studio_pipeline/monitoring/drift/statistics.py`; some minutes.

Run with `python -m studio_pipeline_tests.benchmarks.drift_null_table`.
"""

import numpy as np

from studio_pipeline.monitoring.drift.statistics import WINDOWS, YEAR, mixture, tail_of, window_sums

SIZES = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
SEED = 11
STUDIO_YEARS = 1_600_000


def mixture_maxima(n_studios: int, n_years: int, generator: np.random.Generator) -> np.ndarray:
    """(N,) simulated yearly maxima of the mixture statistic without drift."""
    maxima = np.empty(n_years)
    for year in range(n_years):
        scores = generator.standard_normal((n_studios, max(WINDOWS) - 1 + YEAR))
        maxima[year] = mixture(window_sums(scores)[..., -YEAR:]).max()
    return maxima


def main() -> None:
    for size in SIZES:
        years = int(np.clip(STUDIO_YEARS / size, 3_000, 40_000))
        end, excess = tail_of(mixture_maxima(size, years, np.random.default_rng([SEED, size])))
        print(f"    ({size}, {end:.2f}, {excess:.2f}),", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
