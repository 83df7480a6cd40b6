"""Several plans under each other, one row a method, and at the foot how many of them remove each layer."""

import plotly.graph_objects as go

from pages._ui.figures.frame import frame
from pages._ui.theme import LIGHT, Palette
from prune_core.types import Plan

ROW_PX = 30
MANY = 28


def strips(plans: dict[str, Plan], palette: Palette = LIGHT) -> go.Figure:
    """plans: label -> plan of one model. Removed layers are crossed out; layers that others merge into are marked."""
    labels = [*plans, "removed by"]
    num_layers = next(iter(plans.values())).num_layers
    votes = [sum(layer in plan.removed for plan in plans.values()) for layer in range(num_layers)]
    rows = [[float(layer in plan.removed) for layer in range(num_layers)] for plan in plans.values()]
    rows.append([vote / len(plans) for vote in votes])
    words = [["×" if layer in plan.removed else "" for layer in range(num_layers)] for plan in plans.values()]
    words.append([str(vote) if vote else "" for vote in votes])
    figure = go.Figure(
        go.Heatmap(
            z=rows,
            x=list(range(num_layers)),
            y=labels,
            text=words,
            texttemplate="%{text}" if num_layers <= MANY else "",
            colorscale=[[0, palette.kept], [1, palette.removed]],
            zmin=0,
            zmax=1,
            xgap=2,
            ygap=4,
            showscale=False,
            hovertemplate="%{y}: layer %{x}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(title=dict(text="layer"), showgrid=False, dtick=1 if num_layers <= MANY else 4)
    margin = {"l": 210, "r": 20, "t": 10, "b": 44}
    return frame(figure, palette, margin, height=ROW_PX * len(labels) + 60)
