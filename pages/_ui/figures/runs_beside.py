"""Several runs in one figure, one row per metric: scores in percent; all else as a multiple of each run's own donor."""

from collections.abc import Mapping

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages._ui.figures.frame import frame
from pages._ui.figures.numbers import label_of
from pages._ui.shared.theme import LIGHT, Palette
from prune_core.schema.reports import Metric
from prune_core.schema.run import RunResult
from prune_core.schema.wording import metric_in_words

SYMBOLS = ("diamond", "circle", "square", "triangle-up", "cross", "star", "triangle-down", "x")
EDGE_PX = 64
Pairs = dict[str, list[tuple[Metric, Metric]]]
"""Run -> (donor's, pruned model's) figures."""


def beside(runs: Mapping[str, RunResult], palette: Palette = LIGHT) -> go.Figure:
    """2 to 8 runs by name. Only metrics the donor has too; a loss is left out where its perplexity says the same."""
    pairs: Pairs = {name: _pairs(result) for name, result in runs.items()}
    scores = {name: [p for p in found if p[1].unit == "fraction"] for name, found in pairs.items()}
    ratios = {name: [p for p in found if p[1].unit != "fraction" and p[0].value > 0] for name, found in pairs.items()}
    panels = [(each, is_score) for each, is_score in ((scores, True), (ratios, False)) if any(each.values())]
    row_px = 16 + 9 * len(runs)
    heights = [row_px * len(_rows(each)) for each, _ in panels] or [row_px]
    inner = sum(heights) + EDGE_PX * (len(heights) - 1)
    gap = EDGE_PX / inner if len(heights) > 1 else 0
    figure = make_subplots(rows=len(heights), cols=1, row_heights=heights, vertical_spacing=gap)
    top = 30 + 24 * ((len(runs) + 2) // 3)
    frame(figure, palette, {"l": 190, "r": 24, "t": top, "b": EDGE_PX}, height=inner + top + EDGE_PX)
    figure.update_layout(legend=dict(y=1, yref="container", yanchor="top", x=0), hovermode="closest")
    for row, (each, is_score) in enumerate(panels, start=1):
        _draw(figure, row, each, is_score, palette)
    return figure


def colours(palette: Palette) -> tuple[str, ...]:
    """One colour per run; marks differ in shape too."""
    return (palette.pruned, palette.removed, palette.merged, "#CC79A7", "#B38600", "#8173D1", "#A05A2C", palette.muted)


def _pairs(result: RunResult) -> list[tuple[Metric, Metric]]:
    before = {(m.name, m.task): m for m in result.donor.metrics}
    both = [(before[m.name, m.task], m) for m in result.pruned.metrics if (m.name, m.task) in before]
    told = {m.task for _, m in both if m.name == "perplexity"}
    return [pair for pair in both if not (pair[1].name == "loss" and pair[1].task in told)]


def _rows(panel: Pairs) -> list[Metric]:
    """One metric for each (name, task) of the panel, in order."""
    found = {(m.name, m.task): m for pairs in panel.values() for _, m in pairs}
    return list(found.values())


def _draw(figure: go.Figure, row: int, panel: Pairs, is_score: bool, palette: Palette) -> None:
    metrics = _rows(panel)
    place = {(m.name, m.task): i for i, m in enumerate(metrics)}
    step = 0.7 / max(len(panel), 1)
    for i, (name, pairs) in enumerate(panel.items()):
        colour = colours(palette)[i % len(SYMBOLS)]
        scale = [100.0 if is_score else 1 / a.value for a, _ in pairs]
        figure.add_scatter(
            x=[b.value * s for (_, b), s in zip(pairs, scale, strict=True)],
            y=[place[b.name, b.task] + step * (i - (len(panel) - 1) / 2) for _, b in pairs],
            mode="markers",
            name=name,
            legendgroup=name,
            showlegend=row == 1,
            marker=dict(size=10, color=colour, symbol=SYMBOLS[i % len(SYMBOLS)]),
            error_x=dict(
                array=[(b.stderr or 0) * s for (_, b), s in zip(pairs, scale, strict=True)],
                color=colour,
                thickness=1.5,
                width=3,
            ),
            customdata=[[metric_in_words(a), metric_in_words(b)] for a, b in pairs],
            hovertemplate=f"{name}<br>%{{customdata[0]}} → %{{customdata[1]}}<extra></extra>",
            row=row,
            col=1,
        )
    for metric in metrics:
        donors = {
            a.value for pairs in panel.values() for a, b in pairs if (b.name, b.task) == (metric.name, metric.task)
        }
        for value in donors if is_score else {1.0}:
            _tick(figure, row, 100 * value if is_score else 1.0, place[metric.name, metric.task], palette)
    words = [label_of(m, metrics) + ("" if is_score else " ↑" if m.higher_is_better else " ↓") for m in metrics]
    figure.update_yaxes(
        tickvals=list(range(len(metrics))), ticktext=words, range=[len(metrics) - 0.4, -0.6], zeroline=False,
        showgrid=False, row=row, col=1,
    )  # fmt: skip
    score = "score, percent (bars: ± 1 SE; line: donor)"
    title = score if is_score else "run ÷ its donor (bars: ± 1 SE of the run; line: donor; arrows: which way is better)"
    figure.update_xaxes(title_text=title, type="linear" if is_score else "log", row=row, col=1)


def _tick(figure: go.Figure, row: int, x: float, place: int, palette: Palette) -> None:
    """The donor's value, as a short line through its row."""
    axis = "" if row == 1 else str(row)
    figure.add_shape(
        type="line", x0=x, x1=x, y0=place - 0.42, y1=place + 0.42, xref=f"x{axis}", yref=f"y{axis}", layer="below",
        line=dict(color=palette.donor, width=2),
    )  # fmt: skip
