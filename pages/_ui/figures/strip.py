"""A plan at a glance: one square a layer."""

import plotly.graph_objects as go

from pages._ui.figures.frame import frame, hatch
from pages._ui.figures.map import tick_step
from pages._ui.theme import LIGHT, SMALL_PX, Palette
from prune_core.types import Merge, Plan, Replace
from prune_core.wording import named

LABELLED = 24  # up to so many layers every number is shown


def layer_strip(num_layers: int, plan: Plan, palette: Palette = LIGHT) -> go.Figure:
    """Kept layers plain, removed ones hatched and crossed out, merges as an arrow into the layer that stays."""
    layers = list(range(num_layers))
    fates = [_fate(layer, plan) for layer in layers]
    colours = {"kept": palette.kept, "changed": palette.merged, "removed": palette.removed}
    squares = go.Bar(
        x=layers,
        y=[1.0] * num_layers,
        width=0.88,
        marker=dict(
            color=[colours[state] for state, _ in fates],
            cornerradius=3,
            line=dict(width=0),
            pattern=hatch([state == "removed" for state, _ in fates], palette),
        ),
        text=["✕" if state == "removed" else "" for state, _ in fates],
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        constraintext="inside",
        textfont=dict(size=18, color=palette.background),
        customdata=[words for _, words in fates],
        hovertemplate="layer %{x}: %{customdata}<extra></extra>",
    )
    merges = [edit for edit in plan.edits if isinstance(edit, Merge)]
    top = 22 if merges else 4
    figure = frame(go.Figure(squares), palette, margin={"l": 4, "r": 4, "t": 4, "b": 26}, height=66 + top)
    figure.update_layout(showlegend=False, annotations=[_arrow(edit, palette) for edit in merges])
    step = tick_step(num_layers) if num_layers > LABELLED else 1
    ends = [-0.55, num_layers - 0.45]
    figure.update_xaxes(tickvals=layers[::step], showgrid=False, zeroline=False, range=ends, fixedrange=True, ticklen=0)
    figure.update_yaxes(visible=False, range=[0, 1.6 if merges else 1], fixedrange=True)
    return figure


def _fate(layer: int, plan: Plan) -> tuple[str, str]:
    """What becomes of a layer: ("kept" | "changed" | "removed", words for the hover)."""
    for edit in plan.edits:
        if isinstance(edit, Merge) and layer == edit.into:
            return "changed", f"takes in {named(edit.layers)}"
        if layer in edit.removed:
            if isinstance(edit, Merge):
                return "removed", f"merged into layer {edit.into}"
            return "removed", f"replaced by {edit.by}" if isinstance(edit, Replace) else "dropped"
    return "kept", "kept"


def _arrow(edit: Merge, palette: Palette) -> dict[str, object]:
    """An arrow above the squares, from the far end of the merged layers to the layer that takes them in."""
    far = max(edit.layers, key=lambda layer: abs(layer - edit.into))
    return dict(
        x=edit.into, y=1.05, xref="x", yref="y", ax=far, ay=1.42, axref="x", ayref="y", text="", showarrow=True,
        arrowhead=2, arrowsize=1.1, arrowwidth=2, arrowcolor=palette.merged, font=dict(size=SMALL_PX),
    )  # fmt: skip
