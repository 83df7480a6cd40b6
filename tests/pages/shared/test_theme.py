"""Colours are those of the app's theme, and can be told apart."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from pages._ui.shared.theme import DARK, LIGHT, Palette, palette

ROOT = Path(__file__).parents[3]


def test_the_theme_file_and_the_palettes_agree() -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    for name, colours in (("light", LIGHT), ("dark", DARK)):
        ours = {
            "primaryColor": colours.primary,
            "backgroundColor": colours.background,
            "secondaryBackgroundColor": colours.panel,
            "textColor": colours.text,
            "borderColor": colours.border,
        }
        assert settings[name] == ours


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=lambda colours: colours.name)
def test_text_and_marks_stand_out_from_the_paper(colours: Palette) -> None:
    """WCAG 2.2: 4.5 to 1 for text, 3 to 1 for marks that carry meaning."""
    for name in ("text", "muted"):
        assert _contrast(getattr(colours, name), colours.background) >= 4.5, name
    for name in ("primary", "removed", "merged", "donor", "pruned"):
        assert _contrast(getattr(colours, name), colours.background) >= 3, name
    assert _contrast(colours.text, colours.panel) >= 4.5


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_palette_of_a_theme() -> None:
    assert palette("dark") is DARK
    assert palette("light") is palette(None) is LIGHT
