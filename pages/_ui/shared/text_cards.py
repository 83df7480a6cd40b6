"""What donor and pruned model wrote after the same prompt, side by side; both are marked from where they diverge."""

import html

import streamlit as st

from pages._ui.state import session


def text_cards(prompt: str, donor: str, pruned: str, shared: int) -> None:
    """Both texts after their prompt. `shared`: how many characters both begin with; what follows is marked."""
    left, right = st.columns(2)
    left.html(_card("Donor", prompt, donor, shared, session.palette().donor))
    right.html(_card("Pruned", prompt, pruned, shared, session.palette().removed))


def shared_words(donor: str, pruned: str) -> int:
    """How many characters both texts begin with, cut back to the last whole word."""
    if donor == pruned:
        return len(donor)
    shorter = min(len(donor), len(pruned))
    same = next((i for i in range(shorter) if donor[i] != pruned[i]), shorter)
    return donor.rfind(" ", 0, same) + 1


def _card(label: str, prompt: str, text: str, shared: int, colour: str) -> str:
    """One text as HTML, escaped."""
    border = session.palette().border
    marked = f'<mark style="background:{colour}33;color:inherit">{html.escape(text[shared:])}</mark>'
    return (
        f'<div style="border:1px solid {border};border-radius:8px;padding:10px 14px">'
        f'<div style="opacity:.72;font-size:.875rem">{label}</div>'
        f'<div class="ls-text" data-side="{label.lower()}" style="white-space:pre-wrap;overflow-wrap:anywhere">'
        f"<b>{html.escape(prompt)}</b>{html.escape(text[:shared])}{marked if text[shared:] else ''}</div></div>"
    )
