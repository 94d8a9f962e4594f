"""`studio run`: materialise every asset once; the execution is in `cli.pipeline`."""

from __future__ import annotations

import sys
from typing import Any

import click


@click.command("run")
@click.option("--studios", type=int, help="Number of generated studios.")
@click.option("--months", type=int, help="Months of each generated studio.")
@click.option("--types", metavar="Yoga,Pilates,...", help="Types of generated studios.")
@click.option("--seed", type=int, help="Seed of the generated fleet.")
def command(studios: int | None, months: int | None, types: str | None, seed: int | None) -> None:
    """Materialise every asset once: from months to a published release.

    The months are those of the landing folder; where it is empty, those of the built-in generator, which
    the options are for.

    Exit status: 0 a release is published, 3 the new one was refused and the old one stays, 1 failed.
    """
    from studio_pipeline.cli.pipeline import run_pipeline
    from studio_pipeline.settings import read_settings

    given: dict[str, Any] = {
        "studios": studios,
        "months": months,
        "types": None if types is None else [name.strip() for name in types.split(",")],
        "seed": seed,
    }
    options = {name: value for name, value in given.items() if value is not None}
    sys.exit(run_pipeline(read_settings(), options))
