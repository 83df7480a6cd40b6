"""What a planned cut costs: the measured loss of each preview over the layers it removes."""

from collections.abc import Sequence

import plotly.graph_objects as go

from pages._ui.figures.frame import frame
from pages._ui.figures.map import tick_step
from pages._ui.theme import LIGHT, SMALL_PX, Palette
from prune_core.types import Plan, Preview
from prune_core.wording import describe, ranges


def loss_preview(history: Sequence[Preview], palette: Palette = LIGHT) -> go.Figure:
    """The change of loss (nats per token, ± one standard error) of each preview over how many layers it removes.

    history: oldest first; the last is drawn as the current one.
    """
    figure = go.Figure()
    for previews, name, colour, size in (
        (history[:-1], "earlier", palette.donor, 9),
        (history[-1:], "now", palette.removed, 13),
    ):
        figure.add_scatter(
            x=[len(preview.plan.removed) for preview in previews],
            y=[preview.loss - preview.donor_loss for preview in previews],
            error_y=dict(array=[preview.delta_stderr for preview in previews], color=colour, thickness=1.5, width=4),
            mode="markers+text",
            name=name,
            marker=dict(size=size, color=colour, symbol="diamond" if name == "now" else "circle"),
            text=[f"  {_short(preview.plan)}" for preview in previews],
            textposition="middle right",
            textfont=dict(size=SMALL_PX, color=palette.text if name == "now" else palette.muted),
            customdata=[_preview_words(preview) for preview in previews],
            hovertemplate="%{customdata}<extra></extra>",
            cliponaxis=False,
        )
    most = max((len(preview.plan.removed) for preview in history), default=1)
    frame(figure, palette, margin={"l": 64, "r": 24, "t": 34, "b": 52}, height=300, showlegend=len(history) > 1)
    step = tick_step(most + 1)
    figure.update_xaxes(title_text="layers removed", range=[-0.6, most + 1], dtick=step, showgrid=False, zeroline=False)
    figure.update_yaxes(title_text="change of loss, nats per token (± 1 SE)", nticks=6, zeroline=True)
    return figure


def _short(plan: Plan) -> str:
    """The layers that go, for a label; what else a plan does is told on hover."""
    return ranges(plan.removed) or ("parts only" if plan.edits else "none")


def _preview_words(preview: Preview) -> str:
    delta = f"{preview.loss - preview.donor_loss:+.3f} ± {preview.delta_stderr:.3f} nats per token"
    return f"{describe(preview.plan)}<br>{delta}<br>loss {preview.loss:.3f}, donor {preview.donor_loss:.3f}"
