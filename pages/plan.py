"""The choice as a strip of layers, edited by hand, with its measured cost and what was tried before."""

import streamlit as st

from pages._ui import figures, state
from pages._ui.choice import choice_bar, need_stats, preview_numbers
from pages._ui.method_panel import method_panel
from pages._ui.method_table import method_table
from pages._ui.replace_panel import replace_panel
from prune_core.types import Drop, Plan, UserError, drop_plan
from prune_core.wording import layers_from_words, ranges


def edit_by_hand(plan: Plan) -> None:
    """Type the layers to drop, contiguous or not."""
    plain = all(isinstance(edit, Drop) for edit in plan.edits)
    with st.form("by_hand", border=False):
        a, b = st.columns([4, 1], vertical_alignment="bottom")
        text = a.text_input("Layers to drop", ranges(plan.removed), placeholder="3, 9-12", help="Both ends are meant.")
        if not plain:
            st.caption("Applied, this drops whole layers and gives up what else the plan does; Undo brings it back.")
        if not b.form_submit_button("Apply", width="stretch"):
            return
    try:
        state.choose(drop_plan(plan.num_layers, layers_from_words(text)))
    except UserError as error:
        st.error(str(error))
    else:
        st.rerun()


st.title("Plan")
stats = need_stats()
plan = state.plan(stats.num_layers)
st.write("What will be cut, and what that costs before anything is built.")
choice_bar(plan)
st.plotly_chart(figures.layer_strip(plan.num_layers, plan, state.palette()), theme=None, width="stretch", key="strip")
left, right = st.columns(2, gap="large")
with left:
    preview_numbers(plan, curve=True)
    edit_by_hand(plan)
    if plan.edits:
        st.page_link("pages/benchmark.py", label="Build it and compare", icon=":material/arrow_forward:")
    else:
        st.page_link("pages/redundancy.py", label="Choose layers on the heat map", icon=":material/arrow_back:")
with right:
    tried = state.previews()
    now = next((seen for seen in reversed(tried) if seen.plan.edits == plan.edits), None)
    if tried:
        st.write("**Every cut tried on this model and text.** The best ones are low and to the right.")
        earlier = [seen for seen in tried if seen.plan.edits != plan.edits]
        picture = figures.loss_preview(earlier, now, state.palette())
        st.plotly_chart(picture, theme=None, width="stretch", key="tried")

by_method, compared, replaced = st.tabs(["Let a method choose", "Compare methods", "Replace instead of drop"])
with by_method:
    method_panel(stats)
with compared:
    method_table(stats)
with replaced:
    replace_panel(plan)
