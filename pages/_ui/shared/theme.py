"""Colours and fonts of everything drawn, light and dark, in one place; .streamlit/config.toml repeats the first five.

Hues are Okabe and Ito's (safe for colour-blind readers); the scale of similarity maps is viridis (perceptually
uniform). No meaning rests on hue alone: removed layers are hatched, models differ in marker shape.
"""

from dataclasses import dataclass

FONT = "Source Sans, -apple-system, Segoe UI, sans-serif"
TEXT_PX = 14
SMALL_PX = 13


@dataclass(frozen=True)
class Palette:
    """Colours as #RRGGBB. `primary` is the app's accent; `removed` and `kept` are of layers; the rest by use."""

    name: str
    background: str
    panel: str
    text: str
    border: str
    primary: str
    muted: str
    grid: str
    removed: str
    kept: str
    merged: str
    donor: str
    pruned: str


LIGHT = Palette(
    name="light",
    background="#FFFFFF",
    panel="#F2F5F8",
    text="#1B2530",
    border="#D5DCE4",
    primary="#0A6C9E",
    muted="#56636F",
    grid="#E4E9EE",
    removed="#C4500A",
    kept="#BCD7E8",
    merged="#00805F",
    donor="#6B7885",
    pruned="#0A6C9E",
)
DARK = Palette(
    name="dark",
    background="#11161D",
    panel="#1B222C",
    text="#E6EBF1",
    border="#343E4B",
    primary="#4DB0E3",
    muted="#9AA7B4",
    grid="#2A333E",
    removed="#FF8F4A",
    kept="#2C5670",
    merged="#3CC79B",
    donor="#94A1AE",
    pruned="#4DB0E3",
)

SCALE = "Viridis"
"""For similarity maps: yellow means most alike, whatever the measure."""
CHOSEN = "#FF6A13"
"""Outline of selected blocks on a map, in both themes: no colour of the scale comes near it."""
GROUP = "#FF5FD2"
"""Outline of the groups that sliding layer merging finds; far from the scale and from CHOSEN."""
HALO = "#0B0F14"
"""The dark edge of every line on a map."""


def palette(theme_type: str | None) -> Palette:
    """The palette for `st.context.theme.type`; light until the browser has reported it."""
    return DARK if theme_type == "dark" else LIGHT


def style(colours: Palette) -> str:
    """What Streamlit's settings cannot say, as an HTML element.

    Streamlit leaves a fifth of the screen empty above a page, and writes white on primary buttons of any colour: on
    the dark theme's light blue that has a contrast of 2.4, the page's background one of 7.4.
    """
    return f"""<style>
.stMainBlockContainer {{ padding-top: 4rem; }}
[data-testid^="stBaseButton-primary"]:not(:disabled) {{ color: {colours.background}; }}
</style>"""
