"""The similarity map: a heat map of all pairs of states, the words that a hover shows, and what is drawn on it."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import plotly.graph_objects as go

from pages._ui.figures.frame import MAP_MARGIN, frame
from pages._ui.shared.theme import CHOSEN, GROUP, HALO, LIGHT, SCALE, SMALL_PX, Palette
from prune_core.schema.measures import LayerStats, Measure, measure
from prune_core.schema.plan import Block
from prune_core.schema.wording import named

Shape = dict[str, Any]


def similarity_map(stats: LayerStats, name: str, palette: Palette = LIGHT, full: bool = False) -> go.Figure:
    """The map of measure `name`: [L+1, L+1] cells, state 0 at the top left, both triangles.

    The colour scale spans the values of this map, so that they are told apart; `full`: the measure's own limits, so
    that maps of different models compare. Its alike end is yellow for every measure.
    """
    what, values = measure(name), stats.values[name]
    low, high, step = (*what.limits, (what.limits[1] - what.limits[0]) / 5) if full else fitted(values)
    heat = go.Heatmap(
        z=np.round(values, 6),
        text=cell_words(stats, name),
        hovertemplate="%{text}<extra></extra>",
        colorscale=SCALE,
        reversescale=not what.alike_is_high,
        zmin=low,
        zmax=high,
        xgap=gap(values.shape[0]),
        ygap=gap(values.shape[0]),
        colorbar=_colour_bar(what, _colour_ticks(values, low, high, step)),
    )
    figure = go.Figure(heat)
    states = values.shape[0]
    ticks = list(range(0, states, tick_step(states)))
    axis: dict[str, Any] = dict(range=[-0.5, states - 0.5], tickvals=ticks, constrain="domain", **_AXIS)
    frame(figure, palette, margin=MAP_MARGIN, width=652, height=MAP_MARGIN["t"] + MAP_MARGIN["b"] + 486)
    figure.update_xaxes(title=dict(text="to state j", standoff=8), **axis)
    figure.update_yaxes(title=dict(text="from state i", standoff=8), **{**axis, "range": [states - 0.5, -0.5]})
    figure.update_layout(dragmode="select", uirevision=states, hovermode="closest")
    return figure


_AXIS = dict(showgrid=False, zeroline=False, showline=False, ticks="", minallowed=-0.5)


def _colour_bar(what: Measure, ticks: dict[str, list]) -> dict[str, object]:
    arrow = "↑" if what.alike_is_high else "↓"
    unit = f" ({what.unit})" if what.unit else ""
    title = dict(text=f"{what.label}{unit}, more alike {arrow}", side="right", font=dict(size=SMALL_PX))
    return dict(
        title=title,
        thickness=14,
        outlinewidth=0,
        x=1,
        xpad=12,
        ypad=0,
        tickfont=dict(size=SMALL_PX),
        len=1,
        ticklabeloverflow="allow",
        **ticks,
    )


def _colour_ticks(values: np.ndarray, low: float, high: float, step: float) -> dict[str, list]:
    """Marks at every step, both ends included; an end that values lie beyond says so."""
    places = low + step * np.arange(round((high - low) / step) + 1)
    digits = max(2, int(np.ceil(-np.log10(step) - 1e-9)))
    words = [f"{place:.{digits}f}" for place in places]
    off = values[~np.eye(values.shape[0], dtype=bool)]
    off = off[np.isfinite(off)]
    words[0] = ("≤ " if (off < low - 1e-9).any() else "") + words[0]
    words[-1] = ("≥ " if (off > high + 1e-9).any() else "") + words[-1]
    return dict(tickvals=places.tolist(), ticktext=words)


def fitted(values: np.ndarray) -> tuple[float, float, float]:
    """The range that colours span, low, high, and the step of its marks; values: [L+1, L+1].

    It is that of the pairs 1 <= i < j, all but the outermost hundredth at either end, widened outwards to whole steps.
    State 0 is the embedding, which is unlike all others in most models: it would leave one colour to the rest.
    """
    first, second = np.triu_indices(values.shape[0], 1)
    inner = values[first, second][first > 0] if values.shape[0] > 2 else values[first, second]
    inner = inner[np.isfinite(inner)]
    low, high = np.percentile(inner, (1, 99)) if len(inner) else (0.0, 1.0)
    least = (high - low) / 8
    decade = 10.0 ** np.floor(np.log10(max(least, FINEST)))
    step = float(next(decade * k for k in (1, 2, 5, 10) if decade * k >= max(least, FINEST) * (1 - 1e-9)))
    low, high = np.floor(low / step + 1e-6), np.ceil(high / step - 1e-6)
    return float(low * step), float(max(high, low + 4) * step), step


FINEST = 0.002
"""Colours are not spread over differences so small that they mean nothing: no step of theirs is finer."""


def gap(states: int) -> float:
    """Pixels between cells: a fine grid while cells are large, none once they are small."""
    return 1 if states <= 24 else 0


def tick_step(numbers: int, most: int = 18) -> int:
    """Every how many of `numbers` marks a label stands, so that at most `most` do."""
    return next((step for step in (1, 2, 4, 5, 8, 10) if numbers / step <= most), 20)


def cell_words(stats: LayerStats, name: str) -> list[list[str]]:
    """What each cell means, [L+1][L+1]: states, layers to drop, value ± one standard error; parts joined by <br>."""
    what, size = measure(name), stats.num_layers + 1
    values, errors = stats.values[name], stats.stderrs[name]
    words = [[f"state {i} with itself<br>choose a cell off the diagonal"] * size for i in range(size)]
    for i in range(size):
        for j in range(i + 1, size):
            number = value_words(what, float(values[i, j]), float(errors[i, j]))
            words[i][j] = words[j][i] = f"states {i} → {j}<br>{block_words(i, j, stats.num_layers)}<br>{number}"
    return words


def block_words(start: int, stop: int, num_layers: int) -> str:
    """ "drop layers 9 to 12 (4 of 16)"; dropping all of them is said to be impossible."""
    if stop - start == num_layers:
        return f"all {num_layers} layers: at least one must stay"
    return f"drop {named(tuple(range(start, stop)))} ({stop - start} of {num_layers})"


def in_sentence(what: Measure) -> str:
    """The measure's label inside a sentence: "cosine similarity", but "RBF CKA (unbiased)"."""
    first, second = what.label[:2]
    return what.label if second.isupper() else first.lower() + what.label[1:]


def value_words(what: Measure, value: float, error: float) -> str:
    """ "cosine similarity 0.983 ± 0.002", the error being one standard error, left out where it is not known."""
    spread = f" ± {error:.3f}" if np.isfinite(error) else ""
    return f"{in_sentence(what)} {value:.3f}{spread} {what.unit}".rstrip()


# --- what is drawn on the map ---------------------------------------------------------------------------------------


def chosen_shapes(blocks: Iterable[Block], states: int) -> list[Shape]:
    """Outlines of the chosen blocks: of [a, b) the square of its states on the diagonal and cells (a, b), (b, a)."""
    thin, inset = (1.5 if states > 40 else 2.5), 0.004 * states  # about 2 pixels: the map's edge cuts off lines on it
    shapes: list[Shape] = []
    for block in blocks:
        a, b = block.start, block.stop
        shapes += _outlined(_cells(a, a, b, b, inset), CHOSEN, thin * 0.7)
        for i, j in ((a, b), (b, a)):
            shapes += _outlined(_cells(i, j, i, j, inset), CHOSEN, thin)
    return shapes


def group_shapes(blocks: Iterable[Block], states: int) -> list[Shape]:
    """An outline round the square of states start..stop of each block, a little outside that of a chosen block."""
    width = 1.5 if states > 40 else 2.5
    return [shape for b in blocks for shape in _outlined(_cells(b.start, b.start, b.stop, b.stop, 0), GROUP, width)]


def _cells(i0: int, j0: int, i1: int, j1: int, inset: float) -> Shape:
    edge = 0.5 - inset
    return dict(type="rect", x0=j0 - edge, y0=i0 - edge, x1=j1 + edge, y1=i1 + edge)


def passing_shapes(passing: np.ndarray | None) -> list[Shape]:
    """A dashed outline around the cells where `passing` (bool [L+1, L+1]) holds.

    A cell of the diagonal means nothing: it lies inside where a cell next to it passes, which keeps the outline simple.
    """
    if passing is None:
        return []
    inside = passing & ~np.eye(passing.shape[0], dtype=bool)
    beside = np.diagonal(inside | inside.T, offset=1)
    np.fill_diagonal(inside, np.append(beside, False) | np.append(False, beside))
    path = outline(inside)
    return _outlined(dict(type="path", path=path), "#FFFFFF", 1.5, "4px,3px") if path else []


def _outlined(shape: Shape, colour: str, width: float, dash: str = "solid") -> list[Shape]:
    """`shape` as a line with a dark edge, so that it shows on the light and the dark end of the scale alike."""
    shared = {**shape, "layer": "above", "fillcolor": "rgba(0,0,0,0)"}
    return [
        {**shared, "line": dict(color=HALO, width=width + 2)},
        {**shared, "line": dict(color=colour, width=width, dash=dash)},
    ]


def outline(mask: np.ndarray) -> str:
    """The border of the True cells of `mask` [n, n] as an SVG path of straight runs in the map's coordinates."""
    padded = np.pad(mask, 1)
    down = padded[1:, 1:-1] != padded[:-1, 1:-1]  # [n+1, n]: a horizontal edge above row r
    across = padded[1:-1, 1:] != padded[1:-1, :-1]  # [n, n+1]: a vertical edge left of column c
    lines = [
        f"M{first - 0.5},{row - 0.5}L{last - 0.5},{row - 0.5}"
        for row in range(down.shape[0])
        for first, last in _runs(down[row])
    ]
    lines += [
        f"M{column - 0.5},{first - 0.5}L{column - 0.5},{last - 0.5}"
        for column in range(across.shape[1])
        for first, last in _runs(across[:, column])
    ]
    return "".join(lines)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """The runs of True in `flags` [n] as half-open (first, last)."""
    edges = np.flatnonzero(np.diff(np.pad(flags.astype(np.int8), 1)))
    return [(int(first), int(last)) for first, last in zip(edges[::2], edges[1::2], strict=True)]
