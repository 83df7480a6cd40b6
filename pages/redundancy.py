"""The heat map of layer similarity: see which layers repeat each other and choose blocks by pointing at them."""

import streamlit as st

from pages._ui import figures
from pages._ui.figures.similarity_map import in_sentence
from pages._ui.map.heatmap import heatmap
from pages._ui.map.picking import blocks_of, cut_layers
from pages._ui.redundancy.drop_map_view import damage_view
from pages._ui.redundancy.measure_control import FULL_RANGE, measure_control, measured_on
from pages._ui.redundancy.norms_view import norms_view
from pages._ui.redundancy.slm_groups import ON_MAPS, groups_tool
from pages._ui.shared.choice import add_or_replace, choice_bar, map_and_side, need_stats, preview_numbers
from pages._ui.shared.next_step import next_step
from pages._ui.shared.paper_links import linked
from pages._ui.state import session
from prune_core.schema.measures import LayerStats, Measure, blocks_passing, passing_cells
from prune_core.schema.plan import Block, Plan, drop_plan
from prune_core.schema.wording import named

REPLACES, ADDS = "replaces the selection", "adds to the selection"


def threshold_tool(what: Measure, stats: LayerStats) -> float | None:
    """Outline every block whose ends are alike enough, and choose such blocks with one button."""
    values = stats.values[what.name]
    low, high = what.limits
    sign = "at least" if what.alike_is_high else "at most"
    if not st.toggle(f"Outline pairs whose {in_sentence(what)} is {sign} …", key=session.seed("threshold_on", False)):
        return None
    key = session.seed(f"threshold_{what.name}", low + (high - low) * (0.9 if what.alike_is_high else 0.2))
    threshold = st.slider(f"{what.label} {sign}", low, high, step=(high - low) / 200, key=key)
    blocks = blocks_passing(what.name, values, threshold)
    layers = tuple(layer for start, stop in blocks for layer in range(start, stop))
    label = f"Choose {named(layers)}" if layers else "No block passes"
    method = f"{what.label} {sign} {threshold:.3f}"
    chosen = (drop_plan(stats.num_layers, layers, method),)
    st.button(label, on_click=session.choose, args=chosen, disabled=not layers, width="stretch")
    return threshold


def number_tool(plan: Plan, adds: bool) -> None:
    """The same choice by keyboard: first and last layer. They follow a choice that is one block."""
    num_layers, blocks = plan.num_layers, blocks_of(cut_layers(plan))
    start, end = (blocks[0].start, blocks[0].stop - 1) if len(blocks) == 1 else (0, 0)
    with st.form("by_number", border=False):
        a, b, c = st.columns(3, vertical_alignment="bottom")
        first = int(a.number_input("From layer", 0, num_layers - 1, start))
        last = int(b.number_input("to layer", 0, num_layers - 1, end))
        if c.form_submit_button("Choose", width="stretch"):
            add_or_replace(Block(min(first, last), max(first, last) + 1), num_layers, adds)
            st.rerun()


st.title("Redundancy")
stats = need_stats()
st.write(
    "Each cell compares two hidden states. A bright cell far from the diagonal means that the layers in between change "
    "little. **Click a cell, or drag a box, to select the layers between the two states.**"
)
what = measure_control(stats)
name, values = what.name, stats.values[what.name]
st.caption(f"{what.what} Source: {linked(what.source)}. {measured_on(stats, what)}")
full = st.toggle("Full range", key=session.seed("full_range", False), help=FULL_RANGE)

left, right = map_and_side()
with right:
    adds = st.segmented_control("A click", (REPLACES, ADDS), key=session.seed("click", REPLACES), required=True) == ADDS
    plan = session.plan(stats.num_layers)
    choice_bar(plan)
    preview_numbers(plan)
    if plan.edits:
        with st.container(horizontal=True):
            next_step("benchmark", "Build it and compare")
            next_step("plan", "Change the plan", primary=False)
    st.divider()
    threshold = threshold_tool(what, stats)
    groups = groups_tool(stats.num_layers) if what.family in ON_MAPS else []
    st.write("**By keyboard**: arrow keys move on the map, Shift extends a box, Enter selects. Or by number:")
    number_tool(plan, adds)
with left:
    heatmap(
        figures.similarity_map(stats, name, session.palette(), full),
        key="map",
        num_layers=stats.num_layers,
        on_choose=lambda block: add_or_replace(block, stats.num_layers, adds),
        on_clear=lambda: session.choose(Plan(stats.num_layers)),
        chosen=blocks_of(cut_layers(plan)),
        passing=None if threshold is None else passing_cells(name, values, threshold),
        groups=groups,
        label=what.label,
    )

st.subheader("What dropping each block really costs")
st.write("Similarity only estimates damage. This measures it: the loss without each block, on the same axes.")
damage_view(stats, name, plan, adds)
st.subheader("Block Influence")
st.write(
    "How much each layer changes the hidden state's direction: 1 − mean cosine of its input and output. Low means "
    "redundant."
)
bars = figures.block_influence(stats, session.palette(), cut_layers(plan))
st.plotly_chart(bars, theme=None, width="stretch", key="bi")
st.subheader("The best block of each size")
st.write("For every number of layers to drop, the block whose two ends are most similar.")
st.plotly_chart(figures.best_blocks(stats, name, session.palette()), theme=None, width="stretch", key="best")
norms_view(stats)
