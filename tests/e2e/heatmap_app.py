"""A page with one clickable map of synthetic statistics, for test_heatmap.py and for looking at it by hand.

`?states=82` sets the number of states, `?measure=angular` the measure.
"""

import streamlit as st

from pages._ui.figures import block_influence, similarity_map
from pages._ui.map.heatmap import heatmap
from pages._ui.shared.follow_theme import follow_theme, theme_type
from pages._ui.shared.theme import palette
from prune_core.schema.plan import Block
from tests.pages.synthetic import synthetic


def choose(block: Block) -> None:
    """Add the block to the choice, or take it away again, and note the call."""
    chosen = st.session_state.chosen
    if block in chosen:
        chosen.remove(block)
    else:
        chosen.append(block)
    st.session_state.calls.append(f"[{block.start}, {block.stop})")


def clear() -> None:
    st.session_state.chosen.clear()
    st.session_state.calls.append("clear")


def page() -> None:
    states = int(st.query_params.get("states", 17))
    name = st.query_params.get("measure", "cosine")
    stats = synthetic(states)
    threshold = st.slider("Outline cells above", 0.0, 1.0, 0.9, key="threshold")
    passing = stats.values["cosine"] >= threshold
    heatmap(
        similarity_map(stats, name, palette(theme_type())),
        key="map",
        num_layers=states - 1,
        chosen=st.session_state.chosen,
        passing=passing,
        on_choose=choose,
        on_clear=clear,
    )
    st.button("Rerun")
    st.write("Chosen: " + (" ".join(f"[{b.start}, {b.stop})" for b in st.session_state.chosen) or "none"))
    st.write("Calls: " + (" ".join(st.session_state.calls[-40:]) or "none"))
    st.session_state.runs += 1
    st.write(f"Runs: {st.session_state.runs}")
    st.write(f"Theme: {theme_type()}")
    st.plotly_chart(block_influence(stats, palette(theme_type())), theme=None, key="influence")


def other() -> None:
    st.write("The other page")


st.set_page_config(page_title="Map", layout="wide")
for name in ("chosen", "calls"):
    st.session_state.setdefault(name, [])
st.session_state.setdefault("runs", 0)
follow_theme()
st.navigation([st.Page(page, title="Map", default=True), st.Page(other, title="Other", url_path="other")]).run()
