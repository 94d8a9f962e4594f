"""Fresh worlds whose truth is known, in the files that an outside judge reads.

    python -m studio_pipeline_tests.worlds FOLDER --seed 3 --studios 60 --vary

writes into FOLDER: history.csv (what a pipeline is given), future.csv (what then happened), oracle.csv (the
mean and the 5-95 % range of the true process) and interventions.csv (the true means when levers are held).
"""

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from studio_pipeline.panel.generator.months import (
    Levers,
    allowed,
    expected_interventions,
    generate_months,
    partial_interventions,
)
from studio_pipeline.panel.generator.options import HELD_BOUNDS, GeneratorConfig, planted_responses

HISTORY_COLUMNS = (
    "studio_id", "studio_type", "month_year", "total_members", "new_members", "churned_members",
    "retention_rate", "avg_ticket_price", "total_classes_held", "total_class_attendance",
    "class_attendance_rate", "staff_count", "staff_utilization_rate", "upsell_rate",
    "membership_revenue", "class_pack_revenue", "retail_revenue", "upsell_revenue", "total_revenue",
)  # fmt: skip


def write_world(folder: Path, options: GeneratorConfig, months_ahead: int = 12, draws: int = 200) -> None:
    """Write the four files of one world.

    Args:
        folder: made if it isn't there; files of these names in it are replaced.
        options: the world and its history; what follows is the same world `months_ahead` months on.
        months_ahead: months of the future, 1 or more.
        draws: possible futures behind every mean.
    """
    folder.mkdir(parents=True, exist_ok=True)
    last = np.datetime64(options.last_month, "M")
    update = {"months": options.months + months_ahead, "last_month": str(last + months_ahead)}
    longer = options.model_copy(update=update)
    months = generate_months(longer)
    in_history = months["month_year"] <= last.astype("datetime64[ns]")
    history = months[in_history]
    _write(history[list(HISTORY_COLUMNS)], folder / "history.csv", 4)
    _write(months.loc[~in_history, list(HISTORY_COLUMNS)], folder / "future.csv", 4)
    plans = interventions(present_levers(history))
    means = expected_interventions(options, options.last_month, months_ahead, list(plans.values()), draws)
    _write(means[0], folder / "oracle.csv", 4)
    tables = [_intervention(name, plans[name], mean) for name, mean in zip(plans, means, strict=True)]
    _write(pd.concat(tables, ignore_index=True), folder / "interventions.csv", 4)


def present_levers(history: pd.DataFrame) -> Levers:
    """Each studio's levers as means of its last three months, and the stock as it stands."""
    by_studio = history.sort_values(["studio_id", "month_year"]).groupby("studio_id")
    recent = by_studio.tail(3).groupby("studio_id").mean(numeric_only=True)
    recent = recent.rename(columns={"new_members": "new_members_monthly"})
    recent["current_member_count"] = by_studio["total_members"].last()
    return {lever: recent[lever].to_numpy(dtype=np.float64) for lever in HELD_BOUNDS}


def interventions(now: Levers) -> dict[str, Levers]:
    """What is held, by name; the first holds nothing."""
    one_lever = partial_interventions(now)
    all_levers = {
        "all_held": now,
        "all_price_up_10": now | one_lever["price_up_10"],
        "all_retention_up_2": now | one_lever["retention_up_2"],
        "all_upsell_up_5": now | {"upsell_rate": now["upsell_rate"] + 0.05},
    }
    return {"none": {}, **one_lever} | {name: allowed(levers) for name, levers in all_levers.items()}


def _intervention(name: str, levers: Levers, means: pd.DataFrame) -> pd.DataFrame:
    horizons = int(means["horizon"].max())
    table = means[["studio_id", "horizon", "revenue_mean", "members_mean"]].copy()
    table.insert(1, "intervention", name)
    nothing = np.full(len(table) // horizons, np.nan)
    return table.assign(**{lever: np.tile(levers.get(lever, nothing), horizons) for lever in HELD_BOUNDS})


def _write(table: pd.DataFrame, path: Path, digits: int) -> None:
    table.round(digits).to_csv(path, index=False, date_format="%Y-%m-%d")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=GeneratorConfig().seed)
    parser.add_argument("--studios", type=int, default=60)
    parser.add_argument("--months", type=int, default=60, help="months of history")
    parser.add_argument("--last-month", default=GeneratorConfig().last_month, help="of the history, YYYY-MM")
    parser.add_argument("--types", default=",".join(GeneratorConfig().types), help="comma-separated")
    parser.add_argument("--no-shock", action="store_true", help="leave the common shock out")
    parser.add_argument("--vary", action="store_true", help="draw strengths of effects, seasons and shock")
    parser.add_argument("--draws", type=int, default=200, help="possible futures behind every mean")
    asked = parser.parse_args(arguments)
    named = {name: getattr(asked, name) for name in ("studios", "months", "seed", "last_month", "vary")}
    options = GeneratorConfig(types=tuple(asked.types.split(",")), shock=not asked.no_shock, **named)
    write_world(asked.folder, options, draws=asked.draws)
    for name, value in asdict(planted_responses(options)).items():
        print(f"{name:32s} {value:.4g}")  # noqa: T201 - this is a command


if __name__ == "__main__":
    main()
