"""How fitting a replacement went: trained networks over their steps, linear maps over the ridges tried."""

from collections.abc import Iterator, Mapping
from itertools import cycle

import numpy as np
import plotly.graph_objects as go

from pages._ui.figures.frame import frame
from pages._ui.shared.theme import LIGHT, SMALL_PX, Palette
from prune_core.schema.fit import Fit
from prune_core.schema.plan import Block
from prune_core.schema.wording import named

LINES = ((2, "validation text", "solid", "lines+markers"), (1, "training text", "dot", "lines"))
"""Column of a curve, what it was measured on, and how it is drawn."""
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star")


def training_curves(curves: Mapping[str, np.ndarray], fit: Fit, palette: Palette = LIGHT) -> go.Figure:
    """curves: by the block's "start-stop", [points, 3] of step, training loss, validation loss (specs.ReplaceResult).

    Validation text (held back from fitting) solid with marks, training text dotted. Where the loss is the error of the
    hidden state alone, a line at 1 marks the error of dropping the block.
    """
    figure = go.Figure()
    for (name, curve), colour, symbol in zip(_in_order(curves), _colours(palette), cycle(SYMBOLS), strict=False):
        block = _words(name) if len(curves) > 1 else ""
        for column, text, dash, mode in LINES:
            figure.add_scatter(
                x=curve[:, 0],
                y=curve[:, column],
                mode=mode,
                name=", ".join(filter(None, (block, text))),
                line=dict(color=colour, dash=dash, width=2),
                marker=dict(symbol=symbol, size=7),
                hovertemplate=f"{block or _words(name)}, step %{{x}}<br>{text} %{{y:.4f}}<extra></extra>",
            )
    height = 300 + 20 * max(0, len(curves) - 1)
    frame(figure, palette, height=height, margin={"l": 64, "r": 16, "t": 34 + 20 * len(curves), "b": 52})
    figure.update_xaxes(title_text="training step", range=[-0.02 * fit.steps, 1.02 * fit.steps], zeroline=False)
    if fit.lm_weight == 0:
        figure.add_hline(y=1, line=dict(color=palette.removed, width=1.5, dash="dash"))
        where = dict(x=1, xref="paper", xanchor="right", y=1, yanchor="bottom", showarrow=False)
        figure.add_annotation(text="block dropped", font=dict(size=SMALL_PX, color=palette.removed), **where)
        figure.update_yaxes(title_text="error (1 = block dropped)", rangemode="tozero", nticks=6)
    else:
        figure.update_yaxes(title_text="mixed loss", nticks=6, zeroline=False)
    return figure


def ridge_curves(curves: Mapping[str, np.ndarray], palette: Palette = LIGHT) -> go.Figure:
    """curves: by the block's "start-stop", [points, 3] of ridge (infinity: the plain cut), NaN, next-token loss."""
    figure = go.Figure()
    ridges = sorted({float(ridge) for curve in curves.values() for ridge in curve[:, 0]})
    for (name, curve), colour, symbol in zip(_in_order(curves), _colours(palette), cycle(SYMBOLS), strict=False):
        losses = {float(ridge): float(loss) for ridge, loss in curve[:, (0, 2)]}
        best = min(losses, key=lambda ridge: losses[ridge])
        tried = [ridge for ridge in ridges if ridge in losses]
        figure.add_scatter(
            x=[_ridge(ridge) for ridge in tried],
            y=[losses[ridge] for ridge in tried],
            mode="lines+markers",
            name=_words(name),
            line=dict(color=colour, width=2),
            marker=dict(symbol=symbol, size=[13 if ridge == best else 7 for ridge in tried]),
            hovertemplate=f"{_words(name)}, ridge %{{x}}<br>loss %{{y:.4f}} nats per token<extra></extra>",
        )
    frame(figure, palette, height=280, margin={"l": 70, "r": 16, "t": 34, "b": 52}, showlegend=len(curves) > 1)
    order = [_ridge(ridge) for ridge in ridges]
    title = "ridge, relative to the mean diagonal (large mark: kept)"
    figure.update_xaxes(title_text=title, type="category", categoryorder="array", categoryarray=order)
    figure.update_yaxes(title_text="validation loss, nats per token", nticks=6, zeroline=False)
    return figure


def _in_order(curves: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    return sorted(curves.items(), key=lambda item: Block.from_key(item[0]).start)


def _colours(palette: Palette) -> Iterator[str]:
    return cycle((palette.primary, palette.merged, palette.text, palette.donor))


def _words(name: str) -> str:
    return named(Block.from_key(name).layers)


def _ridge(ridge: float) -> str:
    return f"{ridge:g}" if np.isfinite(ridge) else "plain cut"
