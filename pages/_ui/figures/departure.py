"""Where a pruned model diverges: how likely both models find each token of the donor's text."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages._ui.figures.frame import frame, hatch
from pages._ui.figures.similarity_map import tick_step
from pages._ui.shared.theme import LIGHT, SMALL_PX, Palette
from prune_core.schema.continuations import TextPair, Token

NAMED = 70  # up to this many tokens, each is written under its column
LABEL = 12  # characters of a token that are written there


def departure(pair: TextPair, palette: Palette = LIGHT) -> go.Figure:
    """Two panels over the tokens of the donor's text, counted from 1: the probability that each model gives the token;
    the divergence of the whole predictions, hatched where their most likely tokens differ.

    A dotted line marks where the pruned model's own text diverges.
    """
    tokens, places = pair.tokens, list(range(1, len(pair.tokens) + 1))
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.55, 0.45], vertical_spacing=0.09)
    frame(figure, palette, margin={"l": 64, "r": 16, "t": 34, "b": 86}, height=380, hovermode="closest")
    words = [_words(place, token) for place, token in zip(places, tokens, strict=True)]
    shared = dict(x=places, text=words, hovertemplate="%{text}<extra></extra>")
    figure.add_scatter(
        x=[place for place in places for _ in range(3)],
        y=[value for token in tokens for value in (token.donor, token.pruned, None)],
        mode="lines",
        line=dict(color=palette.border, width=4),
        hoverinfo="skip",
        showlegend=False,
        row=1,
        col=1,
    )
    for name, values, colour, symbol in (
        ("donor", [token.donor for token in tokens], palette.donor, "circle"),
        ("pruned", [token.pruned for token in tokens], palette.pruned, "diamond"),
    ):
        marker = dict(color=colour, size=8, symbol=symbol)
        figure.add_scatter(**shared, y=values, mode="markers", name=name, marker=marker, row=1, col=1)
    for agrees, name, colour in (
        (True, "same most likely token", palette.kept),
        (False, "different most likely token", palette.removed),
    ):
        figure.add_bar(
            **shared,
            y=[token.kl if token.agrees == agrees else None for token in tokens],
            name=name,
            marker=dict(color=colour, line=dict(width=0), pattern=hatch([not agrees] * len(tokens), palette)),
            textposition="none",
            row=2,
            col=1,
        )
    if pair.departure is not None:
        figure.add_vline(x=pair.departure.at + 0.5, line=dict(color=palette.removed, width=1.5, dash="dot"))
    step = 1 if len(tokens) <= NAMED else tick_step(len(tokens), NAMED)
    labels = [_label(token.text) for token in tokens]
    ends = [0.4, len(tokens) + 0.6]
    figure.update_xaxes(range=ends, showgrid=False, zeroline=False)
    figure.update_xaxes(tickvals=places[::step], ticktext=labels[::step], tickangle=-60, row=2, col=1)
    figure.update_yaxes(title_text="probability", range=[-0.03, 1.06], dtick=0.5, row=1, col=1)
    figure.update_yaxes(title_text="KL, nats", rangemode="tozero", nticks=4, row=2, col=1)
    figure.update_layout(barmode="overlay", bargap=0.25, legend=dict(font=dict(size=SMALL_PX)))
    return figure


def _words(place: int, token: Token) -> str:
    """The hover text of one token."""
    return "<br>".join(
        (
            f"token {place}: {_plain(token.text)!r}",
            f"donor {token.donor:.1%}, its most likely token {_plain(token.donor_top)!r}",
            f"pruned {token.pruned:.1%}, its most likely token {_plain(token.pruned_top)!r}",
            f"KL from the donor {token.kl:.3f} nats",
        )
    )


def _label(text: str) -> str:
    """A token under its column: whitespace made visible where there is nothing else, long tokens truncated."""
    shown = text.strip() or repr(text)[1:-1].replace(" ", "␣")
    return _plain(shown if len(shown) <= LABEL else f"{shown[: LABEL - 1]}…")


def _plain(text: str) -> str:
    """Plotly interprets some HTML in its texts: escape it, so that a model's text shows as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
