"""Simulate the table `MIXTURE_TAILS` of `studio_pipeline/monitoring/drift_null.py`; some minutes.

Run with `python -m studio_pipeline_tests.benchmarks.drift_null_table`.
"""

import numpy as np

from studio_pipeline.monitoring.drift.statistics import mixture_maxima, tail_of

SIZES = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
SEED = 11
STUDIO_YEARS = 1_600_000


def main() -> None:
    for size in SIZES:
        years = int(np.clip(STUDIO_YEARS / size, 3_000, 40_000))
        end, excess = tail_of(mixture_maxima(size, years, np.random.default_rng([SEED, size])))
        print(f"    ({size}, {end:.2f}, {excess:.2f}),", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
