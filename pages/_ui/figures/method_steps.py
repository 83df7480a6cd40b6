"""The candidates a method evaluated on its way to a plan, in order: one mark each, filled where it was accepted."""

from collections.abc import Sequence
from textwrap import wrap

import plotly.graph_objects as go

from pages._ui.figures.frame import frame
from pages._ui.figures.similarity_map import tick_step
from pages._ui.shared.theme import LIGHT, Palette
from prune_core.methods import Step
from prune_core.schema.wording import describe

WIDE = 32
"""Characters of an axis title that fit beside the plot."""


def trajectory(steps: Sequence[Step], score: str, at: int, palette: Palette = LIGHT) -> go.Figure:
    """The score of each step over its number; `at` is the step on view (1 is the first)."""
    figure = go.Figure()
    for accepted, name, symbol, colour in (
        (True, "accepted", "circle", palette.primary),
        (False, "not accepted", "circle-open", palette.muted),
    ):
        numbers = [k for k, step in enumerate(steps, start=1) if step.accepted == accepted]
        figure.add_scatter(
            x=numbers,
            y=[steps[k - 1].score for k in numbers],
            mode="markers",
            name=name,
            marker=dict(symbol=symbol, color=colour, size=9, line=dict(width=1.5, color=colour)),
            text=[f"{describe(steps[k - 1].plan)}<br>{steps[k - 1].note}" for k in numbers],
            hovertemplate="step %{x}: %{y:.4f}<br>%{text}<extra></extra>",
        )
    figure.add_vline(x=at, line=dict(color=palette.removed, width=1.5, dash="dot"))
    frame(figure, palette, height=300)
    figure.update_layout(margin_l=90, margin_t=34)
    figure.update_xaxes(title_text="step", dtick=tick_step(len(steps)), zeroline=False, showgrid=False)
    figure.update_yaxes(title_text="<br>".join(wrap(score or "score", WIDE)), nticks=6, zeroline=False)
    return figure
