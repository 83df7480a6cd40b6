"""What a planned cut costs: the measured loss of each preview against the number of layers it removes."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from pages._ui.figures.frame import frame
from pages._ui.figures.similarity_map import tick_step
from pages._ui.map.picking import cut_layers
from pages._ui.shared.theme import LIGHT, SMALL_PX, Palette
from prune_core.schema.fit import in_words
from prune_core.schema.plan import Merge, Plan, Replace
from prune_core.schema.reports import Preview
from prune_core.schema.wording import describe, ranges

FAR = 5.0
"""A cut whose change in loss is this many times the median is drawn at the top edge, so as not to squash the others."""


def loss_preview(earlier: Sequence[Preview], now: Preview | None, palette: Palette = LIGHT) -> go.Figure:
    """The change in loss (nats per token, ± one standard error) of each preview against how many layers it removes.

    `now` and the cheapest of the others are labelled. Changes far above the others are triangles at the top edge,
    labelled with their value. Hovering shows the plan.
    """
    current = [] if now is None else [now]
    history = [*earlier, *current]
    top, edge = _ends([_change(preview) for preview in history])
    cheapest = min(earlier, key=_change, default=None)
    labelled = [*current, cheapest]
    most = max((len(preview.plan.removed) for preview in history), default=1)
    figure = go.Figure()
    for previews, name, colour, size, symbol in (
        (earlier, "earlier", palette.donor, 9, "circle"),
        (current, "now", palette.removed, 13, "diamond"),
    ):
        sizes = [len(preview.plan.removed) for preview in previews]
        far = [_change(preview) > top for preview in previews]
        figure.add_scatter(
            x=sizes,
            y=[edge if out else _change(preview) for preview, out in zip(previews, far, strict=True)],
            error_y=dict(
                array=[0.0 if out else preview.delta_stderr for preview, out in zip(previews, far, strict=True)],
                color=colour,
                thickness=1.5,
                width=4,
            ),
            mode="markers+text",
            name=name,
            marker=dict(size=size, color=colour, symbol=["triangle-up" if out else symbol for out in far]),
            text=[
                _far_label(preview, previews, top) if out else _label(preview, labelled)
                for preview, out in zip(previews, far, strict=True)
            ],
            textposition=["middle left" if count > most / 2 else "middle right" for count in sizes],
            textfont=dict(size=SMALL_PX, color=palette.text if name == "now" else palette.muted),
            customdata=[_preview_words(preview) for preview in previews],
            hovertemplate="%{customdata}<extra></extra>",
            cliponaxis=False,
        )
    frame(figure, palette, margin={"l": 64, "r": 24, "t": 34, "b": 52}, height=320, showlegend=len(history) > 1)
    step = tick_step(most + 1)
    figure.update_xaxes(title_text="layers removed", range=[-0.6, most + 1], dtick=step, showgrid=False, zeroline=False)
    figure.update_yaxes(title_text="change in loss, nats/token (± 1 SE)", nticks=6, zeroline=True)
    return figure


def _change(preview: Preview) -> float:
    return preview.loss - preview.donor_loss


def _ends(changes: list[float]) -> tuple[float, float]:
    """The largest change that is not far above the others, and the height at which those that are get drawn."""
    limit = FAR * float(np.median(np.abs(changes))) if changes else 0.0
    near = [change for change in changes if change <= limit] or changes or [0.0]
    return max(near), max(near) + 0.25 * (max(near) - min([0.0, *near]))


def _label(preview: Preview, labelled: Sequence[Preview | None]) -> str:
    return f"  {_short(preview.plan)}  " if any(preview is one for one in labelled) else ""


def _far_label(preview: Preview, previews: Sequence[Preview], top: float) -> str:
    """The triangle's label; where several cuts of the same size share one, only the costliest has it."""
    size = len(preview.plan.removed)
    here = [each for each in previews if len(each.plan.removed) == size and _change(each) > top]
    if preview is not max(here, key=_change):
        return ""
    words = _short(preview.plan) if len(here) == 1 else f"{len(here)} cuts, up to"
    return f"  {words} {_change(preview):+.2f}  "


def _short(plan: Plan) -> str:
    """The removed layers, and how if they are not dropped, as a label; hovering shows the rest."""
    layers = cut_layers(plan)
    if not layers:
        return "parts only" if plan.edits else "none"
    how = {f"by {in_words(edit.by)}" for edit in plan.edits if isinstance(edit, Replace)}
    how |= {"merged" for edit in plan.edits if isinstance(edit, Merge)}
    return " ".join([ranges(layers), *sorted(how)])


def _preview_words(preview: Preview) -> str:
    delta = f"{_change(preview):+.3f} ± {preview.delta_stderr:.3f} nats per token"
    return f"{describe(preview.plan)}<br>{delta}<br>loss {preview.loss:.3f}, donor {preview.donor_loss:.3f}"
