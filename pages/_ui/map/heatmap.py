"""The clickable similarity map: one Streamlit component that draws a Plotly figure and reports what the user selects.

Streamlit's own chart reports no selections on a heat map (streamlit#8760), hence this. plotly.js is the copy inside
the plotly package, sent once per browser tab. Mouse: a click selects a cell, a drag a box of cells, a double-click
clears. Keyboard: arrows, Shift+arrows, Enter, Escape, Delete.
"""

import gzip
import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import plotly
import plotly.graph_objects as go
import streamlit as st
from streamlit.components.v2 import component

from pages._ui.figures.similarity_map import chosen_shapes, group_shapes, passing_shapes
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Block

_HERE = Path(__file__).parent
_HTML = """<div class="ls-map" tabindex="0" role="application" aria-roledescription="clickable heat map">
<div class="ls-map-plot"><div class="ls-map-cursor"></div><div class="ls-map-box"></div></div>
<div class="ls-map-line" aria-live="polite"></div>
<div class="ls-map-key"><span class="ls-map-chosen" hidden>selected block</span>
<span class="ls-map-passing" hidden>passes the threshold</span>
<span class="ls-map-groups" hidden>sliding layer merging group</span></div></div>"""

_map = component(
    "layerscope_map",
    html=_HTML,
    css=(_HERE / "heatmap.css").read_text(encoding="utf-8"),
    js=(_HERE / "heatmap.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # Plotly's style sheet is in the document's head and does not reach into a shadow root
)
_shelf = component("layerscope_shelf", js=(_HERE / "shelf.js").read_text(encoding="utf-8"), isolate_styles=False)


def heatmap(
    figure: go.Figure,
    *,
    key: str,
    num_layers: int,
    on_choose: Callable[[Block], None],
    on_clear: Callable[[], None],
    chosen: Sequence[Block] = (),
    passing: np.ndarray | None = None,
    groups: Sequence[Block] = (),
    label: str = "Similarity of all pairs of states",
) -> None:
    """Draw `figure` (of `figures.similarity_map`) with the `chosen` blocks and the `passing` cells outlined.

    on_choose, on_clear: called once per user action, before the script reruns, so the script's body already sees the
    new selection. passing: bool [L+1, L+1]. groups: blocks whose states [start, stop] are outlined as a square.
    label: what a screen reader calls the map.
    """
    text = str(figure.to_json())
    version = hashlib.sha256(text.encode()).hexdigest()[:16]
    _shelf(key=f"{key}_plotly", data=_plotly_gzipped())
    _shelf(key=f"{key}_figure", data={"version": version, "figure": text})
    seen = _seen(key)

    def deliver() -> bool:
        fresh = unseen(st.session_state.get(key), seen)
        for gesture in fresh:
            seen["seen"] = gesture["n"]
            block = block_of(gesture["rect"], num_layers) if "rect" in gesture else None
            if block:
                on_choose(block)
            elif gesture.get("clear"):
                on_clear()
        return bool(fresh)

    def callback() -> None:
        deliver()

    _map(
        key=key,
        data={
            "version": version,
            "shapes": [
                *passing_shapes(passing),
                *group_shapes(groups, num_layers + 1),
                *chosen_shapes(chosen, num_layers + 1),
            ],
            "marks": [
                name
                for name, shown in (("chosen", chosen), ("passing", passing is not None), ("groups", groups))
                if shown
            ],
            "label": label,
            **seen,
        },
        on_gestures_change=callback,
    )
    if deliver():  # gestures put into session_state directly, as AppTest does, arrive without the callback
        st.rerun()


def unseen(value: Any, seen: dict[str, Any]) -> list[dict[str, Any]]:
    """The gestures in the component's `value` that came after number seen["n"], oldest first.

    Gestures of another session (a browser tab that outlived a restarted server) are ignored.
    """
    gestures = (value or {}).get("gestures") or []
    return [g for g in gestures if g["n"] > seen["seen"] and g.get("session", seen["session"]) == seen["session"]]


def block_of(rect: Iterable[int], num_layers: int) -> Block | None:
    """The block that cells i0..i1 x j0..j1 (inclusive, rect = [i0, j0, i1, j1]) span: smallest to largest state.

    None where that is a single state. Raises UserError for a rect that is not within the map's L+1 states.
    """
    sides = list(rect)
    if len(sides) != 4 or not all(isinstance(side, int) and 0 <= side <= num_layers for side in sides):
        raise UserError(f"The box {sides} is outside the map: choose states 0 to {num_layers}.")
    start, stop = min(sides), max(sides)
    return Block(start, stop) if start < stop else None


def _seen(key: str) -> dict[str, Any]:
    """This session's record of the last gesture applied; the component's own state would not survive a page change."""
    return st.session_state.setdefault(f"{key}_seen", {"session": uuid4().hex, "seen": 0})


@cache
def _plotly_gzipped() -> bytes:
    """plotly.min.js of the installed plotly package, gzipped (1.4 MB)."""
    return gzip.compress((Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes(), 6, mtime=0)
