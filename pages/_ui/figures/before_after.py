"""Donor and pruned model side by side, one row per metric."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages._ui.figures.frame import frame
from pages._ui.figures.numbers import change, label_of
from pages._ui.shared.theme import LIGHT, SMALL_PX, Palette
from prune_core.schema.reports import Metric, Report, paired
from prune_core.schema.wording import metric_in_words

Pair = tuple[Metric, Metric]

ROW_PX = 32
EDGE_PX = 64  # under each panel, for its axis
TOP_PX = 40
LEFT_PX = 144
RIGHT_PX = 160
MANY = 40


def before_after(donor: Report, pruned: Report, palette: Palette = LIGHT) -> go.Figure:
    """Two panels of dumbbells: scores in percent with chance levels; everything else as pruned / donor, log axis.

    Scores are the metrics in fractions (lm-eval's accuracies). Metrics that only one report has are left out, and so is
    the loss where the perplexity says the same. With more than 40 scores, only group means are drawn.
    """
    pairs = _pairs(donor, pruned)
    panels = [(pairs_of, draw) for pairs_of, draw in (_split(pairs)) if pairs_of]
    heights = [ROW_PX * len(rows) + 10 for rows, _ in panels] or [ROW_PX]
    inner = sum(heights) + EDGE_PX * (len(panels) - 1)
    gap = EDGE_PX / inner if len(panels) > 1 else 0
    figure = make_subplots(rows=len(heights), cols=1, row_heights=heights, vertical_spacing=gap)
    margin = {"l": LEFT_PX, "r": RIGHT_PX, "t": TOP_PX, "b": EDGE_PX - 12}
    frame(figure, palette, margin=margin, height=inner + TOP_PX + EDGE_PX - 12, hovermode="closest")
    figure.update_layout(legend=dict(y=1, yref="container", yanchor="top", x=0, itemsizing="constant"))
    for row, (rows, draw) in enumerate(panels, start=1):
        draw(figure, row, rows, palette, (donor.label, pruned.label))
    return figure


def _pairs(donor: Report, pruned: Report) -> list[Pair]:
    perplexities = {metric.task for metric in donor.metrics if metric.name == "perplexity"}
    return [
        (before, after)
        for before, after in paired(donor.metrics, pruned.metrics)
        if before is not None and not (after.name == "loss" and after.task in perplexities)
    ]


def _split(pairs: list[Pair]):
    scores = [pair for pair in pairs if pair[0].unit == "fraction"]
    if len(scores) > MANY:
        scores = [pair for pair in scores if pair[0].note.startswith("mean of")] or scores
    ratios = [(a, b) for a, b in pairs if a.unit != "fraction" and a.value > 0 and b.value > 0]
    return (scores, _draw_scores), (ratios, _draw_ratios)


# --- scores ---------------------------------------------------------------------------------------------------------


def _draw_scores(figure: go.Figure, row: int, pairs: list[Pair], palette: Palette, labels: tuple[str, str]) -> None:
    names = [label_of(a, [pair[0] for pair in pairs]) for a, _ in pairs]
    before, after = ([100 * pair[side].value for pair in pairs] for side in (0, 1))
    figure.add_trace(_links(before, after, names, palette), row, 1)
    chances = [(name, a.chance) for name, (a, _) in zip(names, pairs, strict=True) if a.chance is not None]
    if chances:
        figure.add_scatter(
            x=[100 * chance for _, chance in chances],
            y=[name for name, _ in chances],
            mode="markers",
            name="chance",
            legendrank=1002,
            marker=dict(symbol="line-ns", size=16, line=dict(width=2, color=palette.muted)),
            hovertemplate="%{y}: chance %{x:.0f}%<extra></extra>",
            row=row,
            col=1,
        )
    for side, label in enumerate(labels):
        metrics = [pair[side] for pair in pairs]
        errors = [100 * (m.stderr or 0) for m in metrics]
        figure.add_trace(_dots([100 * m.value for m in metrics], names, metrics, label, side, palette, errors), row, 1)
    low = min(100 * (m.value - (m.stderr or 0)) for pair in pairs for m in pair)
    figure.update_xaxes(title_text="score, percent (bars: ± 1 SE)", range=[min(0, low), 103], row=row, col=1)
    _rows(figure, row, names)
    for name, (a, b) in zip(names, pairs, strict=True):
        _say(figure, row, name, change(a, b))


# --- ratios ---------------------------------------------------------------------------------------------------------


def _draw_ratios(figure: go.Figure, row: int, pairs: list[Pair], palette: Palette, labels: tuple[str, str]) -> None:
    donors, others = [a for a, _ in pairs], [b for _, b in pairs]
    names = [f"{label_of(a, donors)} {'↑' if a.higher_is_better else '↓'}" for a in donors]
    ratios = [b.value / a.value for a, b in pairs]
    shown = row == 1  # the legend names each model once
    ones = [1.0] * len(pairs)
    figure.add_trace(_links(ones, ratios, names, palette), row, 1)
    figure.add_trace(_dots(ones, names, donors, labels[0], 0, palette, legend=shown), row, 1)
    figure.add_trace(_dots(ratios, names, others, labels[1], 1, palette, legend=shown), row, 1)
    ticks = _log_ticks(ratios)
    words = [f"{tick:g}×" for tick in ticks]
    title = "pruned ÷ donor (arrows: which way is better)"
    figure.update_xaxes(type="log", title_text=title, tickvals=ticks, ticktext=words, row=row, col=1)
    _rows(figure, row, names)
    for name, (a, b) in zip(names, pairs, strict=True):
        _say(figure, row, name, change(a, b))


def _log_ticks(ratios: list[float]) -> list[float]:
    """Round numbers that span `ratios` and 1, at most eight."""
    low, high = min([0.5, *ratios]), max([1.5, *ratios])
    fine = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2]
    coarse = [10.0**power for power in range(-6, 13)]
    middle = sorted(factor * power for power in coarse for factor in (1, 2, 5))
    inside = ([tick for tick in ticks if low / 1.1 <= tick <= high * 1.1] for ticks in (fine, middle, coarse))
    if low > 0.4 and high < 2.2:
        return next(inside)
    _, several, few = inside
    return several if len(several) <= 8 else few


# --- marks ----------------------------------------------------------------------------------------------------------


def _dots(
    x: Sequence[float],
    names: list[str],
    metrics: list[Metric],
    label: str,
    side: int,
    palette: Palette,
    errors: list[float] | None = None,
    legend: bool = True,
) -> go.Scatter:
    colour = (palette.donor, palette.pruned)[side]
    return go.Scatter(
        x=x,
        y=names,
        mode="markers",
        name=label,
        legendgroup=str(side),
        showlegend=legend,
        marker=dict(size=(11, 12)[side], color=colour, symbol=("circle", "diamond")[side]),
        error_x=dict(array=errors, color=colour, thickness=1.6, width=4) if errors else None,
        customdata=[f"{label}: {metric_in_words(metric)}" for metric in metrics],
        hovertemplate="%{y}<br>%{customdata}<extra></extra>",
    )


def _links(left: list[float], right: list[float], names: list[str], palette: Palette) -> go.Scatter:
    """The bar between the two dots of each row."""
    return go.Scatter(
        x=[value for a, b in zip(left, right, strict=True) for value in (a, b, None)],
        y=[name for name in names for _ in range(3)],
        mode="lines",
        line=dict(color=palette.border, width=5),
        hoverinfo="skip",
        showlegend=False,
    )


def _rows(figure: go.Figure, row: int, names: list[str]) -> None:
    """The first metric on top; labels at a fixed left margin."""
    span = [len(names) - 0.4, -0.6]
    figure.update_yaxes(categoryorder="array", categoryarray=names, range=span, showgrid=False, row=row, col=1)


def _say(figure: go.Figure, row: int, name: str, words: str) -> None:
    """Both values in plain text to the right of the row."""
    axis = "" if row == 1 else str(row)
    figure.add_annotation(
        x=1, xref="paper", xanchor="left", xshift=12, y=name, yref=f"y{axis}", text=words, showarrow=False,
        align="left", font=dict(size=SMALL_PX),
    )  # fmt: skip
