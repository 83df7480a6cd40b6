"""One HTML file that opens offline: plotly.js once, figures in both themes, plain tables. No streamlit here.

What it may hold is listed here; how it looks is in report.html.jinja, which escapes all of it and fetches nothing.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pages._ui.shared.theme import DARK, LIGHT, Palette

Draw = Callable[[Palette], go.Figure]
"""Makes a figure in the colours of a theme."""

HEIGHT = 400
"""Of figures that state none, in pixels."""

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


@dataclass(frozen=True)
class Heading:
    kind: ClassVar = "heading"
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    kind: ClassVar = "paragraph"
    text: str
    muted: bool = False


@dataclass(frozen=True)
class Code:
    kind: ClassVar = "code"
    text: str


@dataclass(frozen=True)
class Table:
    """A table of plain text; cells (row, column) in `best` stand out."""

    kind: ClassVar = "table"
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Pair:
    """Two texts beside each other, line breaks kept."""

    kind: ClassVar = "pair"
    left: str
    right: str


@dataclass(frozen=True)
class Folded:
    """`inside` under a line that opens it."""

    kind: ClassVar = "folded"
    summary: str
    inside: Code | Table


@dataclass(frozen=True)
class _Figure:
    """The place of a figure, `height` pixels high."""

    kind: ClassVar = "figure"
    number: int
    height: int


Section = Heading | Paragraph | Code | Table | Pair | Folded


def page(title: str, sections: Sequence[Section | Draw]) -> str:
    """The whole file, with figures in the places of those who draw them."""
    figures: list[dict[str, dict]] = []
    shown: list[Section | _Figure] = []
    for section in sections:
        if not callable(section):
            shown.append(section)
            continue
        figures.append({"light": _plain(section(LIGHT)), "dark": _plain(section(DARK))})
        height = figures[-1]["light"]["layout"].get("height", HEIGHT)
        shown.append(_Figure(len(figures) - 1, height))
    return TEMPLATES.get_template("report.html.jinja").render(
        title=title,
        sections=shown,
        figures=figures,
        light=LIGHT,
        dark=DARK,
        plotly_js=Markup(get_plotlyjs()),  # the library's own file
    )


def _plain(figure: go.Figure) -> dict:
    return json.loads(figure.to_json() or "{}")
