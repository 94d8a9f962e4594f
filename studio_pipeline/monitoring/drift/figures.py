"""Figure of the drift report: statistics over thresholds by chart and month."""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.report.drawing import INK, MUTED, new_figure, note, plain, title, to_png

SHOWN_MONTHS = 36


def charts_over_time(statistics: pd.DataFrame) -> bytes:
    """PNG: a row a chart, a column a month, the statistic over its threshold as colour; alarms are marked."""
    if statistics.empty:
        return note("No month can be judged yet.")
    table = statistics.pivot(index="chart", columns="month_year", values="ratio")
    table = table.reindex(statistics["chart"].drop_duplicates()).iloc[:, -SHOWN_MONTHS:]
    figure, (ax,) = new_figure(1.2 + 0.2 * len(table))
    image = ax.imshow(table.to_numpy(), aspect="auto", cmap="YlOrRd", vmin=0, vmax=1.2)
    rows, columns = np.nonzero(table.to_numpy() > 1)
    ax.scatter(columns, rows, marker="x", s=12, color=INK, linewidths=0.9)
    ax.set_yticks(range(len(table)), [plain(name) for name in table.index], fontsize=7)
    places = range(0, table.shape[1], 6)
    ax.set_xticks(places, [f"{table.columns[place]:%Y-%m}" for place in places])
    ax.grid(False)
    title(ax, "Statistic over threshold; a cross is above it")
    bar = figure.colorbar(image, ax=ax, shrink=0.6)
    bar.ax.tick_params(labelsize=7, colors=MUTED)
    return to_png(figure)
