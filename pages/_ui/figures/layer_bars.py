"""Figures with one mark per layer or block size: Block Influence, and the best block of every size."""

import numpy as np
import plotly.graph_objects as go

from pages._ui.figures.frame import frame, hatch
from pages._ui.figures.similarity_map import block_words, tick_step, value_words
from pages._ui.shared.theme import LIGHT, SMALL_PX, Palette
from prune_core.schema.measures import LayerStats, measure
from prune_core.schema.measures import best_blocks as best_of
from prune_core.schema.measures import block_influence as influence_of


def block_influence(stats: LayerStats, palette: Palette = LIGHT, marked: tuple[int, ...] = ()) -> go.Figure:
    """Block Influence of each layer as bars, ± one standard error; `marked` layers are hatched as removed.

    The error of 1 - cos(state l, state l+1) is that of the cell (l, l+1) of the cosine map. Where one layer stands far
    above most, as the first of real models does, the axis is logarithmic; what is too small for it is at its foot.
    """
    influence = influence_of(stats.values["cosine"])
    errors = np.diagonal(stats.stderrs["cosine"], offset=1)
    layers = list(range(stats.num_layers))
    removed = [layer in marked for layer in layers]
    foot = _foot(influence)
    shown = influence if foot is None else np.maximum(influence, foot)
    below = np.nan_to_num(errors) if foot is None else np.minimum(np.nan_to_num(errors), shown - foot)
    bars = go.Bar(
        x=layers,
        y=shown,
        error_y=dict(array=np.nan_to_num(errors), arrayminus=below, color=palette.text, thickness=1.2, width=3),
        marker=dict(
            color=[palette.removed if gone else palette.primary for gone in removed],
            pattern=hatch(removed, palette),
        ),
        text=[_influence_words(layer, influence[layer], errors[layer]) for layer in layers],
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    figure = frame(go.Figure(bars), palette, height=280, bargap=0.25, showlegend=False)
    ends = [-0.6, stats.num_layers - 0.4]
    figure.update_xaxes(title_text="layer", tickvals=layers[:: tick_step(len(layers))], showgrid=False, range=ends)
    figure.update_xaxes(zeroline=False)
    figure.update_layout(margin_l=76)
    if foot is None:
        figure.update_yaxes(title_text="Block Influence, 1 − cosine (± 1 SE)", rangemode="tozero", nticks=6)
    else:
        top = max(float(np.nanmax(shown + np.nan_to_num(errors))), 10 * foot)
        around = [np.log10(foot) - 0.05, np.log10(top) + 0.1]  # the foot itself stays in sight
        figure.update_yaxes(title_text="Block Influence, 1 − cosine<br>(± 1 SE, log axis)", type="log", range=around)
        figure.update_yaxes(tickvals=[a * 10.0**d for d in range(-5, 1) for a in (1, 2, 5)], tickformat="~g")
    return figure


def _foot(influence: np.ndarray) -> float | None:
    """Where a logarithmic axis for these values, [L], begins; None where a plain one serves."""
    known = influence[np.isfinite(influence)]
    if len(known) < 3 or known.max() < 5 * max(float(np.median(known)), 1e-9):
        return None
    least = known[known > known.max() * 1e-4].min()
    return float(0.7 * least)


def _influence_words(layer: int, value: float, error: float) -> str:
    spread = f" ± {error:.4f}" if np.isfinite(error) else ""
    return f"layer {layer}<br>Block Influence {value:.4f}{spread}"


def best_blocks(stats: LayerStats, name: str, palette: Palette = LIGHT, protect_last: bool = False) -> go.Figure:
    """For each block size the block whose ends are most alike by measure `name`, labelled with its layers."""
    what = measure(name)
    found = best_of(name, stats.values[name], protect_last)
    sizes = [stop - start for start, stop, _ in found]
    errors = [float(stats.stderrs[name][start, stop]) for start, stop, _ in found]
    labels = [_layer_range(start, stop) for start, stop, _ in found]
    every = tick_step(len(found), most=10)
    line = go.Scatter(
        x=sizes,
        y=[value for *_, value in found],
        error_y=dict(array=np.nan_to_num(errors), color=palette.muted, thickness=1.2, width=3),
        mode="lines+markers+text",
        line=dict(color=palette.primary, width=2),
        marker=dict(size=7 if len(found) <= 40 else 4),
        text=[label if index % every == 0 else "" for index, label in enumerate(labels)],
        textposition="top right" if what.alike_is_high else "bottom right",
        textfont=dict(size=SMALL_PX, color=palette.text),
        customdata=[
            f"{block_words(start, stop, stats.num_layers)}<br>{value_words(what, value, error)}"
            for (start, stop, value), error in zip(found, errors, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        cliponaxis=False,
    )
    figure = frame(go.Figure(line), palette, height=320, showlegend=False)
    figure.update_layout(margin_r=56, margin_t=28)
    figure.update_xaxes(
        title_text="layers dropped in one block", tickvals=sizes[::every], showgrid=False, zeroline=False
    )
    arrow = "↑" if what.alike_is_high else "↓"
    unit = f" ({what.unit})" if what.unit else ""
    figure.update_yaxes(title_text=f"{what.label}{unit}<br>± 1 SE, more alike {arrow}", nticks=6, zeroline=False)
    return figure


def _layer_range(start: int, stop: int) -> str:
    return str(start) if stop - start == 1 else f"{start}–{stop - 1}"
