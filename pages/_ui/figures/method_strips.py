"""Several plans stacked, one row per method, and a last row that counts how many of them remove each layer."""

import plotly.graph_objects as go

from pages._ui.figures.frame import frame
from pages._ui.figures.layer_strip import fate
from pages._ui.shared.theme import LIGHT, Palette
from prune_core.schema.plan import Plan

ROW_PX = 30
MANY = 28


MARKS = {"kept": (0.0, ""), "half": (0.5, "½"), "removed": (1.0, "×"), "changed": (1.2, "•")}
"""What happens to a layer: its place on the colour scale, and its mark."""
TOP, STEP = 1.2, 1.1 / 1.2


def strips(plans: dict[str, Plan], palette: Palette = LIGHT) -> go.Figure:
    """plans: label -> plan of one model. Removed layers are crossed out, those that lose attention or MLP show ½, those
    that take over the work of others a dot. In the last row a part counts as half."""
    labels = [*plans, "removed by"]
    num_layers = next(iter(plans.values())).num_layers
    layers = range(num_layers)
    fates = [[fate(layer, plan) for layer in layers] for plan in plans.values()]
    shares = [sum(min(MARKS[row[layer][0]][0], 1.0) for row in fates if row[layer][0] != "changed") for layer in layers]
    rows = [[MARKS[state][0] for state, _ in row] for row in fates] + [[share / len(plans) for share in shares]]
    marks = [[MARKS[state][1] for state, _ in row] for row in fates] + [[f"{n:g}" if n else "" for n in shares]]
    words = [[said for _, said in row] for row in fates] + [[f"{n:g} of {len(plans)}" for n in shares]]
    stops = (0, palette.kept), (1 / TOP, palette.removed), (STEP, palette.removed), (STEP, palette.merged)
    figure = go.Figure(
        go.Heatmap(
            z=rows,
            x=list(range(num_layers)),
            y=labels,
            text=marks,
            customdata=words,
            texttemplate="%{text}" if num_layers <= MANY else "",
            colorscale=[*stops, (1, palette.merged)],
            zmin=0,
            zmax=TOP,
            xgap=2,
            ygap=4,
            showscale=False,
            hovertemplate="%{y}: layer %{x}, %{customdata}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(title=dict(text="layer"), showgrid=False, dtick=1 if num_layers <= MANY else 4)
    margin = {"l": 210, "r": 20, "t": 10, "b": 44}
    return frame(figure, palette, margin, height=ROW_PX * len(labels) + 60)
