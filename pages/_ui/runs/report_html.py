"""One HTML file that opens offline: plotly.js once, figures in both themes, plain tables. No streamlit here."""

import json
from collections.abc import Callable, Sequence
from html import escape

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from pages._ui.shared.theme import DARK, LIGHT, Palette

Draw = Callable[[Palette], go.Figure]
"""Makes a figure in the colours of a theme."""

STYLE = """
:root { color-scheme: light dark; --paper: %s; --panel: %s; --text: %s; --line: %s; --muted: %s; --best: %s }
@media (prefers-color-scheme: dark) {
  :root { --paper: %s; --panel: %s; --text: %s; --line: %s; --muted: %s; --best: %s } }
body { margin: 0 auto; max-width: 1120px; padding: 24px; background: var(--paper); color: var(--text);
  font: 16px/1.5 -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }
h1 { font-size: 28px; line-height: 1.2; margin: 8px 0 } h2 { font-size: 20px; margin: 36px 0 8px }
p { margin: 8px 0 } .muted, caption { color: var(--muted); font-size: 14px; text-align: left }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: 14px; width: 100%%; margin: 8px 0 }
th, td { padding: 5px 10px; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top }
th { background: var(--panel); font-weight: 600 } td.number { white-space: nowrap; font-variant-numeric: tabular-nums }
td:last-child { min-width: 220px }
td.best { font-weight: 700; color: var(--best) }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 12px; overflow-x: auto;
  font-size: 13px } summary { cursor: pointer; color: var(--muted) }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; margin: 8px 0 }
.pair div { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 10px;
  overflow-wrap: anywhere }
@media (max-width: 700px) { .pair { grid-template-columns: 1fr } }
"""

SCRIPT = """
const dark = matchMedia("(prefers-color-scheme: dark)");
const figures = JSON.parse(document.getElementById("figures").textContent);
function draw() {
  figures.forEach((figure, i) => {
    const { data, layout } = figure[dark.matches ? "dark" : "light"];
    Plotly.react("figure-" + i, data, layout, { responsive: true, displaylogo: false });
  });
}
dark.addEventListener("change", draw);
draw();
"""

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
"""The file may fetch nothing from anywhere."""


def page(title: str, sections: Sequence[str | Draw]) -> str:
    """The whole file. Sections are HTML, or figures in their place."""
    figures = [section for section in sections if callable(section)]
    drawn = [{name: _plain(draw(look)) for name, look in (("light", LIGHT), ("dark", DARK))} for draw in figures]
    heights = iter(figure["light"]["layout"].get("height", 400) for figure in drawn)
    numbers = iter(range(len(figures)))
    body = "\n".join(
        f'<div id="figure-{next(numbers)}" style="height: {next(heights)}px"></div>' if callable(section) else section
        for section in sections
    )
    colours = [colour for look in (LIGHT, DARK) for colour in _css(look)]
    data = json.dumps(drawn).replace("</", "<\\/")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE % tuple(colours)}</style>\n<script>{get_plotlyjs()}</script>\n</head>\n<body>\n{body}\n"
        f'<script type="application/json" id="figures">{data}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n'
    )


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], best: frozenset[tuple[int, int]] = frozenset()
) -> str:
    """An HTML table of plain text; cells (row, column) in `best` stand out."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        "<tr>" + "".join(_cell(cell, (i, j) in best) for j, cell in enumerate(row)) + "</tr>\n"
        for i, row in enumerate(rows)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'


def heading(text: str, level: int = 2) -> str:
    return f"<h{level}>{escape(text)}</h{level}>"


def paragraph(text: str, muted: bool = False) -> str:
    return f"<p{' class=muted' if muted else ''}>{escape(text)}</p>"


def code(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def folded(summary: str, inside: str) -> str:
    """`inside` (HTML) under a line that opens it."""
    return f"<details><summary>{escape(summary)}</summary>{inside}</details>"


def pair(left: str, right: str) -> str:
    """Two texts beside each other, line breaks kept."""
    boxes = (escape(text).replace("\n", "<br>") for text in (left, right))
    return '<div class="pair">' + "".join(f"<div>{box}</div>" for box in boxes) + "</div>"


def _cell(text: str, best: bool) -> str:
    kinds = [*(["number"] if text[:1].isdigit() or text[:1] in ("-", "+") else []), *(["best"] if best else [])]
    return f'<td class="{" ".join(kinds)}">{escape(text)}</td>'


def _css(look: Palette) -> tuple[str, ...]:
    return look.background, look.panel, look.text, look.border, look.muted, look.primary


def _plain(figure: go.Figure) -> dict:
    return json.loads(figure.to_json() or "{}")
