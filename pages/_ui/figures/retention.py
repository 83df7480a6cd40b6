"""What is left of each skill: the change in accuracy with its interval, one row per skill."""

from collections.abc import Sequence

import plotly.graph_objects as go

from pages._ui.figures.frame import frame
from pages._ui.shared.theme import LIGHT, SMALL_PX, Palette
from prune_core.schema.reports import Retention
from prune_core.schema.wording import retained

ROW_PX = 32
TOP_PX = 40
EDGE_PX = 52
LEFT_PX = 144
RIGHT_PX = 220
MANY = 40
WORDS = {
    "lost": "lost",
    "kept": "no loss measured",
    "gained": "gained",
    "unclear": "unclear",
    "at chance": "donor at chance",
}
SYMBOLS = {
    "lost": "diamond",
    "kept": "circle",
    "gained": "triangle-up",
    "unclear": "circle-open",
    "at chance": "x-thin",
}


def retention(rows: Sequence[Retention], palette: Palette = LIGHT) -> go.Figure:
    """Change in points with its 95% interval; donor → pruned accuracy and the verdict in words on the right.

    With more than 40 rows, only the means and what was lost, gained or unclear are drawn.
    """
    drawn = list(rows)
    if len(drawn) > MANY:
        drawn = [row for row in rows if row.members > 1 or row.verdict not in ("kept", "at chance")]
    names = [_name(row, drawn) for row in drawn]
    colours = {"lost": palette.removed, "kept": palette.donor, "gained": palette.merged, "unclear": palette.removed}
    colours["at chance"] = palette.muted
    figure = go.Figure()
    for verdict, words in WORDS.items():
        some = [(name, row) for name, row in zip(names, drawn, strict=True) if row.verdict == verdict]
        if some:
            figure.add_trace(_marks(some, words, SYMBOLS[verdict], colours[verdict]))
    margin = {"l": LEFT_PX, "r": RIGHT_PX, "t": TOP_PX, "b": EDGE_PX}
    frame(figure, palette, margin=margin, height=ROW_PX * len(drawn) + 10 + TOP_PX + EDGE_PX, hovermode="closest")
    figure.update_layout(showlegend=True, legend=dict(y=1, yref="container", yanchor="top", x=0, itemsizing="constant"))
    figure.update_xaxes(title_text="change in accuracy, points (bars: 95% interval)", zeroline=True, zerolinewidth=2)
    span = [len(names) - 0.4, -0.6]
    figure.update_yaxes(categoryorder="array", categoryarray=names, range=span, showgrid=False)
    for name, row in zip(names, drawn, strict=True):
        said = f"{100 * row.donor:.1f} → {100 * row.pruned:.1f}%  {WORDS[row.verdict]}"
        font = dict(size=SMALL_PX)
        figure.add_annotation(
            x=1, xref="paper", xanchor="left", xshift=12, y=name, text=said, showarrow=False, align="left", font=font
        )
    return figure


def skill_words(row: Retention) -> str:
    """ "arithmetic" of "demo_arithmetic"."""
    return row.task.removeprefix("demo_").replace("_", " ")


def _name(row: Retention, among: Sequence[Retention]) -> str:
    several = len({other.metric for other in among}) > 1
    words = skill_words(row) + (f", {row.metric}" if several else "")
    if row.members == 1:
        return words
    return f"<b>{words}</b>" if "mean" in words else f"<b>{words}, mean</b>"


def _marks(some: list[tuple[str, Retention]], words: str, symbol: str, colour: str) -> go.Scatter:
    rows = [row for _, row in some]
    return go.Scatter(
        x=[100 * row.change for row in rows],
        y=[name for name, _ in some],
        mode="markers",
        name=words,
        marker=dict(size=12, color=colour, symbol=symbol, line=dict(color=colour, width=2)),
        error_x=dict(
            symmetric=False,
            array=[100 * (row.high - row.change) for row in rows],
            arrayminus=[100 * (row.change - row.low) for row in rows],
            color=colour,
            thickness=1.6,
            width=4,
        ),
        customdata=[f"{retained(row)}<br>{row.lost} items lost, {row.won} gained, of {row.items:,}" for row in rows],
        hovertemplate="%{y}<br>%{customdata}<extra></extra>",
    )
