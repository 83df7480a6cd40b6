"""What dropping each block costs: the drop map, on the similarity maps' axes, and similarity against damage."""

import numpy as np
import plotly.graph_objects as go

from pages._ui.figures.frame import frame
from pages._ui.figures.similarity_map import block_words, similarity_map, value_words
from pages._ui.shared.theme import HALO, LIGHT, SCALE, SMALL_PX, Palette
from prune_core.measure.correlation import Damage, rank_correlation
from prune_core.schema.drop_map import DropMap, block_cells, real_blocks
from prune_core.schema.measures import LayerStats, measure

LEAST, MOST = 1e-3, 10.0
"""The colour scale's ends in nats per token, the same for all models; below a thousandth is negligible."""

NAMES: dict[Damage, str] = {"loss": "change in loss", "kl": "KL from the donor"}


def damage_map(drops: DropMap, damage: Damage = "loss", palette: Palette = LIGHT) -> go.Figure:
    """The damage of every block [i, j) at cells (i, j) and (j, i), for the clickable map.

    Coloured by its logarithm, as it spans orders of magnitude; cheap is yellow. Blocks that lower the loss have no
    logarithm: they get the cheap end's colour and a minus sign. Blank: not measured, or all layers.
    """
    values = _values(drops, damage)
    shades = np.log10(np.clip(values, LEAST, MOST))
    same = {"angular": np.zeros_like(values)}  # lends its frame: size, axes, cells
    figure = similarity_map(LayerStats(drops.num_layers, same, same, 0, 0), "angular", palette)
    decades = np.arange(np.log10(LEAST), np.log10(MOST) + 1)
    figure.update_traces(
        z=np.round(shades, 6),
        text=cell_words(drops),
        zmin=decades[0],
        zmax=decades[-1],
        colorscale=SCALE,
        reversescale=True,
        hoverongaps=False,
        colorbar=dict(
            title=dict(text=f"{NAMES[damage]} (nats/token), cheaper ↓"),
            tickvals=decades,
            ticktext=[f"≤ {LEAST:g}", *(f"{10**decade:g}" for decade in decades[1:-1]), f"≥ {MOST:g}"],
        ),
    )
    rows, columns = np.nonzero(values < 0)
    if len(rows):
        figure.add_trace(_minus_signs(rows, columns, values.shape[0]))
        _say_above(figure, f"<b>−</b>  {NAMES[damage]} below 0")  # a legend would push the map aside
    return figure


def _values(drops: DropMap, damage: Damage) -> np.ndarray:
    return drops.delta if damage == "loss" else drops.divergence


def _minus_signs(rows: np.ndarray, columns: np.ndarray, states: int) -> go.Scatter:
    return go.Scatter(
        x=columns,
        y=rows,
        mode="markers",
        marker=dict(
            symbol="line-ew", size=np.clip(240 / states, 4, 14), line=dict(color=HALO, width=2 if states <= 40 else 1)
        ),
        hoverinfo="skip",
        showlegend=False,
    )


def _say_above(figure: go.Figure, words: str) -> None:
    """Small text above the plot, left-aligned."""
    where = dict(x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", yshift=4)
    figure.add_annotation(text=words, showarrow=False, font=dict(size=SMALL_PX), **where)


def cell_words(drops: DropMap) -> list[list[str]]:
    """What each cell means, [L+1][L+1]: states, layers to drop, loss and KL ± one standard error; joined by <br>."""
    size = drops.num_layers + 1
    words = [[f"state {i} with itself<br>choose a cell off the diagonal"] * size for i in range(size)]
    for i in range(size):
        for j in range(i + 1, size):
            block = f"states {i} → {j}<br>{block_words(i, j, drops.num_layers)}"
            words[i][j] = words[j][i] = f"{block}<br>{damage_words(drops, i, j)}" if j - i < size - 1 else block
    return words


def damage_words(drops: DropMap, start: int, stop: int) -> str:
    """ "change in loss +0.123 ± 0.004, KL from the donor 0.045 ± 0.001 nats/token"."""
    cell = start, stop
    if not np.isfinite(drops.delta[cell]):
        return "its loss is not finite"
    delta = f"{drops.delta[cell]:+.4f}{_spread(drops.delta_stderr[cell])}"
    divergence = f"{drops.divergence[cell]:.4f}{_spread(drops.divergence_stderr[cell])}"
    return f"{NAMES['loss']} {delta}, {NAMES['kl']} {divergence} nats/token"


def _spread(error: float) -> str:
    return f" ± {error:.4f}" if np.isfinite(error) else ""


# --- similarity against damage ----------------------------------------------------------------------------------------


def similarity_against_damage(
    stats: LayerStats, drops: DropMap, name: str, damage: Damage = "loss", palette: Palette = LIGHT
) -> go.Figure:
    """One mark per block: how alike its ends are by measure `name`, and what dropping it costs, coloured by its size.

    Damage is on a log axis; less than a thousandth of a nat is a triangle on the bottom line.
    """
    layers = drops.num_layers
    starts, stops = (cells[real_blocks(layers)] for cells in block_cells(layers))
    values, cost = stats.values[name][starts, stops], _values(drops, damage)[starts, stops]
    what, sizes = measure(name), stops - starts
    marks = go.Scatter(
        x=values,
        y=np.clip(cost, LEAST, None),
        mode="markers",
        marker=dict(
            color=sizes,
            colorscale=SCALE,
            cmin=1,
            cmax=max(2, layers - 1),
            size=8,
            opacity=0.85,
            line=dict(color=palette.muted, width=0.7),
            symbol=np.where(cost <= LEAST, "triangle-down", "circle"),
            colorbar=dict(
                title=dict(text="layers dropped", side="right", font=dict(size=SMALL_PX)),
                thickness=14,
                outlinewidth=0,
                tickfont=dict(size=SMALL_PX),
            ),
        ),
        text=[
            f"{block_words(i, j, layers)}<br>{value_words(what, value, error)}<br>{damage_words(drops, i, j)}"
            for i, j, value, error in zip(starts, stops, values, stats.stderrs[name][starts, stops], strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
    )
    figure = frame(go.Figure(marks), palette, height=420, showlegend=False, hovermode="closest")
    found = rank_correlation(name, stats.values[name], _values(drops, damage))
    _say_above(
        figure, f"rank correlation {_rank(found.overall)} over all blocks, {_rank(found.within)} within each size"
    )
    figure.update_layout(margin_t=36, margin_l=76)
    unit = f" ({what.unit})" if what.unit else ""
    figure.update_xaxes(title_text=f"{what.label}{unit} of the block's two ends", zeroline=False)
    figure.update_yaxes(title_text=f"{NAMES[damage]}, nats/token", type="log", dtick=1, exponentformat="none")
    return figure


def _rank(value: float) -> str:
    return f"{value:+.2f}" if np.isfinite(value) else "unknown"
