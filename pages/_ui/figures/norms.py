"""The norms of the hidden states: the median token's and the largest, state by state, and what counts as massive."""

import numpy as np
import plotly.graph_objects as go

from pages._ui.figures.frame import frame
from pages._ui.figures.similarity_map import tick_step
from pages._ui.shared.theme import LIGHT, Palette
from prune_core.schema.norms import HUGE, LARGE, Norms


def state_norms(norms: Norms, palette: Palette = LIGHT) -> go.Figure:
    """Median and largest norm of each state on a log axis, with the lines above which a token is massive."""
    states = list(range(len(norms.median)))
    words = [_words(state, norms) for state in states]
    figure = frame(go.Figure(), palette, height=340, hovermode="x")
    for factor, dash, name in (
        (HUGE, "dot", f"{HUGE:g} × median: massive"),
        (LARGE, "dash", f"{LARGE:g} × median: massive, two states in a row"),
    ):
        line = dict(color=palette.muted, width=1.5, dash=dash)
        figure.add_scatter(x=states, y=factor * norms.median, name=name, mode="lines", line=line, hoverinfo="skip")
    figure.add_scatter(
        x=states,
        y=norms.largest,
        name="largest",
        mode="lines+markers",
        line=dict(color=palette.removed, width=2),
        marker=dict(symbol="diamond", size=7),
        text=words,
        hovertemplate="%{text}<extra></extra>",
    )
    figure.add_scatter(
        x=states,
        y=norms.median,
        name="median",
        mode="lines+markers",
        line=dict(color=palette.primary, width=2),
        marker=dict(symbol="circle", size=6),
        hoverinfo="skip",
    )
    figure.update_layout(margin_t=56, margin_l=76)
    ends = [-0.6, len(states) - 0.4]
    figure.update_xaxes(title_text="state", tickvals=states[:: tick_step(len(states))], showgrid=False, range=ends)
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(title_text="norm of the hidden state (log axis)", type="log", dtick=1)
    figure.update_yaxes(exponentformat="none", separatethousands=True)
    return figure


def _words(state: int, norms: Norms) -> str:
    ratio = norms.largest[state] / norms.median[state] if norms.median[state] > 0 else np.nan
    times = f" ({ratio:,.1f} × median)" if np.isfinite(ratio) else ""
    return (
        f"state {state}<br>largest norm {norms.largest[state]:,.4g}{times}<br>"
        f"median norm {norms.median[state]:,.4g}<br>{norms.massive[state]:,} massive tokens"
    )
