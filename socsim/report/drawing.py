"""What all figures share: axes, colours, units of an axis, labels that do not overlap, files."""

from __future__ import annotations

import io
import warnings
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Any

from socsim.errors import UsageError
from socsim.report.sinks import terminal_text, write_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from socsim.records import RunRecord

# Okabe and Ito, Color Universal Design (2008): told apart with any colour vision.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442")
OTHER_COLOUR = "#666666"
"""For what is no unit, or a unit that the run did not use."""
FORMATS = ("png", "svg", "pdf")
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None}, "svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None, "Producer": None},
}  # fmt: skip
_TIME_SCALES = (("s", 10**12), ("ms", 10**9), ("us", 10**6), ("ns", 10**3), ("ps", 1))
_CAPITAL_WIDTH, _SMALL_WIDTH = 0.72, 0.62
"""Width of a character against the font size, generous for the default font."""


def unit_colours(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each unit, in order of the names; after seven units colours repeat."""
    return dict(zip(dict.fromkeys(names), cycle(OKABE_ITO), strict=False))


def record_colours(record: RunRecord) -> dict[str, str]:
    """Return the colours of a run's units: the preferred unit first, so that it looks alike in all runs."""
    others = sorted(unit.name for unit in record.units if unit.name != record.preferred_unit)
    return unit_colours([record.preferred_unit, *others])


def lighter(colour: str, amount: float) -> tuple[float, float, float]:
    """Return a colour mixed with white; amount 0 leaves it, 1 gives white."""
    from matplotlib.colors import to_rgb

    red, green, blue = (channel + (1 - channel) * amount for channel in to_rgb(colour))
    return red, green, blue


def ink_on(colour: Any) -> str:
    """Return black or white, whichever reads better on a colour."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(colour)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"


def new_axes(figsize: tuple[float, float]) -> Axes:
    """Return the axes of a new figure, which a notebook shows."""
    from matplotlib import pyplot as plt

    _, ax = plt.subplots(figsize=figsize, layout="constrained")
    return ax


def offline_axes(figsize: tuple[float, float]) -> Axes:
    """Return the axes of a new figure that no notebook and no window knows of."""
    from matplotlib.figure import Figure

    made: Axes = Figure(figsize=figsize, layout="constrained").subplots()
    return made


def set_title(ax: Axes, title: str) -> None:
    """Set a title flush left; a name's dollar signs stay what they are."""
    ax.set_title(terminal_text(title, 110), loc="left", fontsize=11, parse_math=False)


def legend_text(name: str, limit: int = 30) -> str:
    """Return a name for a legend, which would take dollar signs for mathematics and hide a leading underscore."""
    shown = terminal_text(name, limit).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def settle(ax: Axes) -> None:
    """Give axes their final place, so that pixels can be counted; titles and ticks must be set."""
    figure = ax.get_figure(root=True)
    engine = figure.get_layout_engine() if figure is not None else None
    if figure is not None and engine is not None:
        engine.execute(figure)


def time_scale(span_ps: int) -> tuple[str, int]:
    """Return the unit for an axis of `span_ps`, and its picoseconds."""
    return next((pair for pair in _TIME_SCALES if span_ps >= pair[1]), _TIME_SCALES[-1])


def text_width(ax: Axes, text: str, size: float) -> float:
    """Return about how many pixels a text takes."""
    characters = sum(_CAPITAL_WIDTH if c.isupper() else _SMALL_WIDTH for c in text)
    return characters * size * ax.figure.dpi / 72


class Labels:
    """Labels beside points; one that finds no free place is left out.

    Args:
        ax: axes whose limits are final.
        size: font size in points.
    """

    def __init__(self, ax: Axes, size: float = 8) -> None:
        self.ax = ax
        self.size = size
        self.taken: list[tuple[float, float, float, float]] = []

    def add(self, x: float, y: float, text: str, radius: float = 4) -> bool:
        """Write a label near a point in data coordinates, and return whether there was room.

        Args:
            x: the point's place on the axis across.
            y: the point's place on the axis up.
            text: the label.
            radius: pixels of the point's marker.
        """
        width, height = text_width(self.ax, text, self.size), self.size * 1.5 * self.ax.figure.dpi / 72
        at_x, at_y = self.ax.transData.transform((x, y))
        gap = radius + 4
        for right, up in ((1, 0), (1, 1), (1, -1), (-1, 0), (-1, 1), (-1, -1), (1, 2), (1, -2), (-1, 2), (-1, -2)):
            left = at_x + gap if right > 0 else at_x - gap - width
            low = at_y + up * height - height / 2
            box = (left, low, left + width, low + height)
            if self._is_free(box):
                self.taken.append(box)
                at = self.ax.transData.inverted().transform((left, low + height / 2))
                self.ax.annotate(
                    text, (x, y), xytext=(float(at[0]), float(at[1])), fontsize=self.size, va="center",
                    parse_math=False, arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "#888888"},
                )  # fmt: skip
                return True
        return False

    def block(self, x: float, y: float, radius: float = 5) -> None:
        """Keep labels off a point in data coordinates."""
        at_x, at_y = self.ax.transData.transform((x, y))
        self.taken.append((at_x - radius, at_y - radius, at_x + radius, at_y + radius))

    def block_line(self, points: Sequence[tuple[float, float]]) -> None:
        """Keep labels off a line through points in data coordinates."""
        ends = [self.ax.transData.transform(point) for point in points]
        for start, end in pairwise(ends):
            steps = max(int(max(abs(end - start)) / 10), 1)
            for step in range(steps + 1):
                x, y = start + (end - start) * step / steps
                self.taken.append((x - 5, y - 5, x + 5, y + 5))

    def block_box(self, box: Any) -> None:
        """Keep labels off a matplotlib bounding box in pixels."""
        self.taken.append((box.x0, box.y0, box.x1, box.y1))

    def crowding(self, box: tuple[float, float, float, float]) -> int:
        """Return how many things a box (left, low, right, high) in pixels would cover."""
        return sum(
            box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in self.taken
        )

    def _is_free(self, box: tuple[float, float, float, float]) -> bool:
        frame = self.ax.get_window_extent()
        is_inside = frame.x0 < box[0] and box[2] < frame.x1 and frame.y0 < box[1] and box[3] < frame.y1
        return is_inside and not self.crowding(box)


def render(figure: Figure, file_format: str) -> bytes:
    """Return a figure as a file; equal figures give equal bytes.

    Args:
        figure: the figure.
        file_format: png, svg or pdf.
    """
    from matplotlib import rc_context

    out = io.BytesIO()
    with rc_context({"svg.hashsalt": "socsim", "svg.fonttype": "none"}), warnings.catch_warnings():
        # Names in scripts that the font lacks show as boxes; that is no reason to fail.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(out, format=file_format, dpi=150, metadata=_METADATA[file_format])
    return out.getvalue()


def figure_format(path: Path) -> str:
    """Return the format that a file's suffix asks for.

    Raises:
        UsageError: a suffix other than .png, .svg and .pdf.
    """
    file_format = path.suffix.lower().removeprefix(".")
    if file_format not in FORMATS:
        allowed = ", ".join(f".{name}" for name in FORMATS)
        msg = f"{terminal_text(str(path))}: {path.suffix or 'no suffix'} is not a format of figures; use {allowed}"
        raise UsageError(msg)
    return file_format


def figure_bytes(ax: Axes, file_format: str) -> bytes:
    """Return the figure of `ax` as a file.

    Raises:
        UsageError: the axes belong to no figure.
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        msg = "these axes belong to no figure; draw again"
        raise UsageError(msg)
    return render(figure, file_format)


def save_figure(ax: Axes, path: Path) -> None:
    """Write the figure of `ax`; the file's suffix decides the format.

    Raises:
        UsageError: a suffix other than .png, .svg and .pdf.
        ResultError: the file cannot be written.
    """
    write_file(path, figure_bytes(ax, figure_format(path)))
