"""Drawing helpers: common style, colours by candidate, PNG bytes; without matplotlib's global state.

Used by the figures of the report and of `monitoring`. Short numbers as text are here too (`short_number`),
other formatting is in `evaluation.formatting`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from PIL import Image

MAX_BYTES = 100_000
WIDTH_INCHES = 7.6
INK, MUTED, GRID = "#1b2430", "#5b6675", "#e3e7ec"
ACCENT, SOFT = "#1d5fc4", "#bcd3f5"
WARM = "#c8553d"

COLOURS: dict[str, str] = {
    "ensemble": ACCENT,
    "core": "#0f9d8a",
    "direct": "#c8553d",
    "smoothing": "#7a6a58",
    "xgboost": "#e08a1e",
    "lightgbm": "#a24bb0",
    "random_forest": "#6f9a3c",
    "persistence": "#8c949e",
    "seasonal_naive": "#4a525c",
    "seasonal_naive_growth": "#b9a37a",
}
SERIES: tuple[str, ...] = (
    ACCENT, "#e08a1e", "#0f9d8a", "#a24bb0", "#c8553d", "#6f9a3c", "#7a6a58", "#8c949e",
)  # fmt: skip

percent = FuncFormatter(lambda value, _: f"{100 * value:.4g} %")
thousands = FuncFormatter(lambda value, _: short_number(value))


def short_number(value: float) -> str:
    """1234567 as "1.23M", 41000 as "41k", 0.5 as "0.5", rounding noise about zero as "0"."""
    for size, sign in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.3g}" if abs(value) > 1e-9 else "0"


def new_figure(
    height_inches: float, columns: int = 1, heights: Sequence[float] = (1,)
) -> tuple[Figure, list[Axes]]:
    """A figure of the common width with styled axes, listed row by row; `heights` are the rows' shares."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained", facecolor="white")
    grid = figure.add_gridspec(len(heights), columns, height_ratios=list(heights))
    axes = [figure.add_subplot(grid[row, column]) for row in range(len(heights)) for column in range(columns)]
    for ax in axes:
        style(ax)
    return figure, axes


def style(ax: Axes) -> None:
    """Apply the common style to axes: a light grid behind, no box."""
    ax.set_axisbelow(True)
    ax.grid(True, color=GRID, linewidth=0.8)
    for side in ("top", "right", "left", "bottom"):
        ax.spines[side].set_visible(side in ("left", "bottom"))
        ax.spines[side].set_color("#aab3be")
    ax.tick_params(colors=MUTED, labelsize=8.5, length=3)
    ax.xaxis.label.set_color(MUTED)
    ax.yaxis.label.set_color(MUTED)


def by_months_ahead(ax: Axes) -> None:
    """Set the axes of a share by the 12 months ahead."""
    ax.set_xticks(range(1, 13))
    ax.set_xlabel("months ahead", fontsize=9)
    ax.yaxis.set_major_formatter(percent)


def title(ax: Axes, text: str) -> None:
    """Set a left-aligned title."""
    ax.set_title(plain(text), loc="left", fontsize=10, color=INK, fontweight="bold", pad=8)


def legend(ax: Axes) -> None:
    """Add a legend without a box, at the lower right."""
    ax.legend(frameon=False, fontsize=8, labelcolor=INK, loc="lower right")


def legend_below(figure: Figure, columns: int) -> None:
    """Add one legend below all axes of a figure, each label once."""
    of_axes = [zip(*ax.get_legend_handles_labels(), strict=True) for ax in figure.axes]
    handles = {label: handle for entries in of_axes for handle, label in entries}
    style: dict[str, Any] = {"frameon": False, "fontsize": 8, "labelcolor": INK}
    figure.legend([*handles.values()], [*handles], loc="outside lower center", ncols=columns, **style)


def horizontal_bars(ax: Axes, names: Sequence[str], values: Sequence[float], colours: Sequence[str]) -> None:
    """Draw bars from top to bottom, labelled on the left."""
    places = range(len(names))
    ax.barh(places, values, color=list(colours), height=0.68)
    ax.set_yticks(places, [plain(name) for name in names])
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)


def plain(text: str, longest: int = 90) -> str:
    """Text to be drawn as it is: dollar signs don't start formulas; long text is cut."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return cut.replace("$", r"\$")


def note(text: str) -> bytes:
    """A small figure with the reason why there is nothing to draw."""
    figure, (ax,) = new_figure(1.2)
    ax.set_axis_off()
    ax.text(0.5, 0.5, plain(text), ha="center", va="center", fontsize=10, color=MUTED)
    return to_png(figure)


def to_png(figure: Figure) -> bytes:
    """Render a PNG of at most `MAX_BYTES`: 256 colours, then fewer dots per inch, then 64 colours.

    With few colours thin lines take the nearest colour that fills more of the figure.
    """
    canvas: Any = FigureCanvasAgg(figure)
    for dots_per_inch, colours in ((150, 256), (110, 256), (80, 256), (50, 64)):
        figure.set_dpi(dots_per_inch)
        canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        png = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(png, format="png")
        if png.tell() < MAX_BYTES:
            break
    return png.getvalue()
