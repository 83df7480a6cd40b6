"""Quality against cost of all runs, with the Pareto front: the runs that no other beats on both."""

from collections.abc import Sequence
from html import escape
from string import ascii_uppercase
from typing import Any

import plotly.graph_objects as go

from pages._ui.figures.frame import frame
from pages._ui.shared.theme import CHOSEN, LIGHT, SMALL_PX, Palette
from prune_core.schema.key_figures import Key, in_words
from prune_core.store.catalogue import Entry

LOG_FROM = 20
"""A quality axis that spans more than this factor is logarithmic."""


def front(points: Sequence[tuple[float, float]], x_higher: bool, y_higher: bool) -> list[int]:
    """Indices of the points that no other beats on one figure and equals or beats on the other; best x first.

    `x_higher`, `y_higher`: whether more is better.
    """
    turned = [(x if x_higher else -x, y if y_higher else -y) for x, y in points]
    order = sorted(range(len(turned)), key=lambda i: turned[i], reverse=True)
    kept: list[int] = []
    for i in order:
        if not kept or turned[i][1] > turned[kept[-1]][1] or turned[i] == turned[kept[-1]]:
            kept.append(i)
    return kept


def on_front(runs: Sequence[Entry], x: Key, y: Key) -> list[Entry]:
    """The runs on the front among those that have both figures, from the best x to the best y."""
    there = [run for run in runs if x.name in run.figures and y.name in run.figures]
    points = [(run.figures[x.name].pruned, run.figures[y.name].pruned) for run in there]
    return [there[i] for i in front(points, x.higher_is_better, y.higher_is_better)]


def letter(place: int) -> str:
    """The label of a run on the front: A, B, ... Z, then A1, B1, ..."""
    return ascii_uppercase[place % 26] + (str(place // 26) if place >= 26 else "")


def pareto(runs: Sequence[Entry], x: Key, y: Key, chosen: Sequence[str] = (), palette: Palette = LIGHT) -> go.Figure:
    """Every run that has both figures; customdata[0] is its id. `chosen` ids are ringed, donors grey.

    The caller ensures that the figures were measured the same way (the same `on`).
    """
    runs = [run for run in runs if x.name in run.figures and y.name in run.figures]
    best = on_front(runs, x, y)
    leading = {run.id for run in best}
    others = [run for run in runs if run.id not in leading]
    figure = go.Figure()
    figure.add_trace(_line([(run.figures[x.name].pruned, run.figures[y.name].pruned) for run in best], palette))
    figure.add_trace(_dots(others, x, y, "other runs", dict(size=9, color=palette.muted, opacity=0.7)))
    figure.add_trace(_donors(runs, x, y, palette))
    mark = dict(size=22, color=palette.pruned, symbol="circle")
    front_marks = _dots(best, x, y, "Pareto front: no run beats these on both", mark)
    for axis, key in (("error_x", x), ("error_y", y)):
        errors = [run.figures[key.name].pruned_error or 0.0 for run in best]
        front_marks[axis] = dict(array=errors, color=palette.pruned, thickness=1.2, width=3)
    letters, white = [letter(i) for i in range(len(best))], dict(size=SMALL_PX, color=palette.background)
    figure.add_trace(front_marks.update(mode="markers+text", text=letters, textfont=white))
    ringed = [run for run in runs if run.id in chosen]
    if ringed:
        ring = dict(size=30, color=CHOSEN, symbol="circle-open", line=dict(width=3))
        figure.add_trace(_dots(ringed, x, y, "selected", ring))
    frame(figure, palette, margin={"l": 76, "r": 24, "t": 36, "b": 56}, height=400, hovermode="closest")
    figure.update_xaxes(title_text=_title(x), **_ticks(x))
    values = [run.figures[y.name].pruned for run in runs if run.figures[y.name].pruned > 0]
    log = not y.unit and bool(values) and max(values) > LOG_FROM * min(values)
    figure.update_yaxes(title_text=_title(y), type="log" if log else "linear", **_ticks(y))
    return figure


def _title(key: Key) -> str:
    unit = "" if key.unit == "fraction" else key.unit
    return f"{key.label}{f', {unit}' if unit else ''} ({'higher' if key.higher_is_better else 'lower'} is better)"


def _ticks(key: Key) -> dict[str, Any]:
    if key.unit == "fraction":
        return dict(tickformat=".0%")
    return dict(tickformat="~s" if key.unit == "bytes" or key.name == "parameters" else "")


def _dots(runs: Sequence[Entry], x: Key, y: Key, name: str, marker: dict[str, Any]) -> go.Scatter:
    words = "<br>".join(f"%{{customdata[{i}]}}" for i in range(1, 4))
    return go.Scatter(
        x=[run.figures[x.name].pruned for run in runs],
        y=[run.figures[y.name].pruned for run in runs],
        mode="markers",
        name=name,
        marker=marker,
        customdata=[[run.id, f"<b>{escape(run.title)}</b>", _words(run, y), _words(run, x)] for run in runs],
        hovertemplate=f"{words}<br>%{{customdata[0]}}<extra></extra>",
    )


def _donors(runs: Sequence[Entry], x: Key, y: Key, palette: Palette) -> go.Scatter:
    """Each donor once; its speed, timed again in every run, at the median of those."""
    found: dict[tuple[str, float], list[float]] = {}
    for run in runs:
        cost, quality = run.figures[x.name].donor, run.figures[y.name].donor
        if cost is not None and quality is not None:
            found.setdefault((run.model, quality), []).append(cost)
    return go.Scatter(
        x=[sorted(costs)[len(costs) // 2] for costs in found.values()],
        y=[quality for _, quality in found],
        mode="markers",
        name="donor",
        marker=dict(size=14, color=palette.donor, symbol="square"),
        text=[escape(model) for model, _ in found],
        hovertemplate="donor %{text}<extra></extra>",
    )


def _line(points: list[tuple[float, float]], palette: Palette) -> go.Scatter:
    return go.Scatter(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        mode="lines",
        line=dict(color=palette.pruned, width=2, dash="dot"),
        hoverinfo="skip",
        showlegend=False,
    )


def _words(run: Entry, key: Key) -> str:
    figure = run.figures[key.name]
    return f"{key.label}: {in_words(key, figure.pruned, figure.pruned_error)}"
