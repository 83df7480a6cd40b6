"""What all figures share: background, fonts, axes. Titles are up to the page."""

from typing import Any

import plotly.graph_objects as go

from pages._ui.shared.theme import FONT, SMALL_PX, TEXT_PX, Palette

MARGIN = {"l": 64, "r": 16, "t": 12, "b": 52}
MAP_MARGIN = {"l": 54, "r": 100, "t": 30, "b": 50}
"""Pixels around the map's square; the component fits the square to its column and keeps these."""


def hatch(flags: list[bool], palette: Palette) -> dict[str, Any]:
    """The bar pattern that marks removed layers: stripes in the background colour where `flags` is true."""
    shape = ["/" if flag else "" for flag in flags]
    return dict(shape=shape, fillmode="overlay", fgcolor=palette.background, fgopacity=0.75, size=7, solidity=0.2)


def frame(figure: go.Figure, palette: Palette, margin: dict[str, int] = MARGIN, **layout: Any) -> go.Figure:
    """`figure` in the palette's colours, with our fonts and a legend above the plot, on the left."""
    figure.update_layout(
        template="none",
        paper_bgcolor=palette.background,
        plot_bgcolor=palette.background,
        font=dict(family=FONT, size=TEXT_PX, color=palette.text),
        margin=margin | {"pad": 0},
        hoverlabel=dict(
            bgcolor=palette.panel,
            bordercolor=palette.border,
            font=dict(family=FONT, size=TEXT_PX, color=palette.text),
            align="left",
        ),
        legend=dict(orientation="h", x=0, xanchor="left", y=1.02, yanchor="bottom", font=dict(size=SMALL_PX)),
        **layout,
    )
    axis: dict[str, Any] = dict(
        gridcolor=palette.grid,
        zerolinecolor=palette.border,
        linecolor=palette.border,
        tickfont=dict(size=SMALL_PX),
        title=dict(font=dict(size=TEXT_PX), standoff=8),
        automargin=False,
        tickangle=0,
    )
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure
