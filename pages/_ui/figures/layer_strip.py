"""A plan at a glance: one square per layer."""

from functools import lru_cache

import plotly.graph_objects as go

from pages._ui.figures.frame import frame, hatch
from pages._ui.figures.similarity_map import tick_step
from pages._ui.shared.theme import LIGHT, SMALL_PX, Palette
from prune_core.schema.plan import PARTS, DropPart, Merge, Part, Plan, Replace
from prune_core.schema.wording import layers_without, named

LABELLED = 24  # up to this many layers, every number is shown
HALVES: dict[Part, tuple[float, str]] = {"attention": (0.0, "attn"), "mlp": (0.5, "MLP")}
"""Where in a layer's square each part is, from the bottom, and what it is called there."""


@lru_cache(maxsize=256)
def layer_strip(num_layers: int, plan: Plan, palette: Palette = LIGHT) -> go.Figure:
    """The figure is made once for a plan, since a page draws several at each rerun and plotly takes its time: do not
    change it.

    Kept layers plain, removed ones hatched and crossed out, as is the half of a square where an attention (bottom)
    or MLP (top) goes; an arrow into a layer that stays and takes over the work of others."""
    layers = list(range(num_layers))
    fates = [fate(layer, plan) for layer in layers]
    colours = {"kept": palette.kept, "half": palette.kept, "changed": palette.merged, "removed": palette.removed}
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
    arrows = [_arrow(edit, palette) for edit in plan.edits if isinstance(edit, (Merge, Replace)) and edit.changed]
    top = 22 if arrows else 4
    both = go.Figure([squares, _halves(plan, palette)])
    figure = frame(both, palette, margin={"l": 4, "r": 4, "t": 4, "b": 26}, height=66 + top)
    figure.update_layout(showlegend=False, barmode="overlay", annotations=arrows)
    step = tick_step(num_layers) if num_layers > LABELLED else 1
    ends = [-0.55, num_layers - 0.45]
    figure.update_xaxes(tickvals=layers[::step], showgrid=False, zeroline=False, range=ends, fixedrange=True, ticklen=0)
    figure.update_yaxes(visible=False, range=[0, 1.6 if arrows else 1], fixedrange=True)
    return figure


def fate(layer: int, plan: Plan) -> tuple[str, str]:
    """What happens to a layer: ("kept" | "half" | "changed" | "removed", words for the hover)."""
    for edit in plan.edits:
        if layer in edit.removed:
            if isinstance(edit, Merge):
                return "removed", f"merged into layer {edit.into}"
            return "removed", f"replaced by {edit.by}" if isinstance(edit, Replace) else "dropped"
        if layer in edit.changed:
            if isinstance(edit, Merge):
                return "changed", f"absorbs {named(edit.layers)}"
            if isinstance(edit, Replace):
                return "changed", f"gets new weights ({edit.by}) for {named(edit.block.layers)}"
            if isinstance(edit, DropPart):
                return "half", "attention dropped" if edit.part == "attention" else "MLP dropped"
    return "kept", "kept"


def _halves(plan: Plan, palette: Palette) -> go.Bar:
    """On the square of each layer that loses a part, its two halves: one crossed out, one named."""
    pairs: list[tuple[int, Part, bool]] = [
        (layer, part, part == lost) for lost in PARTS for layer in layers_without(plan, lost) for part in PARTS
    ]
    gone = [each for *_, each in pairs]
    named_halves = plan.num_layers <= LABELLED
    return go.Bar(
        x=[layer for layer, *_ in pairs],
        y=[0.5] * len(pairs),
        base=[HALVES[part][0] for _, part, _ in pairs],
        width=0.88,
        marker=dict(
            color=[palette.removed if each else palette.kept for each in gone],
            cornerradius=3,
            line=dict(width=0),
            pattern=hatch(gone, palette),
        ),
        text=["✕" if each else HALVES[part][1] if named_halves else "" for _, part, each in pairs],
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        constraintext="none",
        textfont=dict(size=SMALL_PX, color=[palette.background if each else palette.text for each in gone]),
        customdata=[fate(layer, plan)[1] for layer, *_ in pairs],
        hovertemplate="layer %{x}: %{customdata}<extra></extra>",
    )


def _arrow(edit: Merge | Replace, palette: Palette) -> dict[str, object]:
    """An arrow above the squares, from the far end of the layers that go to the layer that takes over their work."""
    (into,) = edit.changed
    far = max(edit.removed, key=lambda layer: abs(layer - into))
    return dict(
        x=into, y=1.05, xref="x", yref="y", ax=far, ay=1.42, axref="x", ayref="y", text="", showarrow=True,
        arrowhead=2, arrowsize=1.1, arrowwidth=2, arrowcolor=palette.merged, font=dict(size=SMALL_PX),
    )  # fmt: skip
