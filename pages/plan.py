"""The plan as a strip of layers, edited by hand, with its measured cost and what was tried before."""

import streamlit as st

from pages._ui import figures
from pages._ui.plan.method_panel import method_panel
from pages._ui.plan.method_table import method_table
from pages._ui.plan.replace_panel import replace_panel
from pages._ui.shared.choice import choice_bar, need_stats, preview_numbers
from pages._ui.shared.next_step import next_step
from pages._ui.state import session
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Drop, DropPart, Plan
from prune_core.schema.wording import layers_without, plan_from_words, ranges


def edit_by_hand(plan: Plan) -> None:
    """Type what to drop: layers, contiguous or not, and layers that lose only their attention or only their MLP."""
    hint = "Numbers and inclusive ranges: 3, 9-12."
    with st.form("by_hand", border=False):
        layers = st.text_input("Layers to drop", ranges(plan.removed), placeholder="3, 9-12", help=hint)
        a, b, c = st.columns([2, 2, 1], vertical_alignment="bottom")
        attention = a.text_input(
            "Attention to drop", ranges(layers_without(plan, "attention")), placeholder="5", help="The MLP stays."
        )
        mlp = b.text_input(
            "MLPs to drop", ranges(layers_without(plan, "mlp")), placeholder="7-8", help="The attention stays."
        )
        if any(not isinstance(edit, (Drop, DropPart)) for edit in plan.edits):
            st.caption("Apply keeps only drops and discards the plan's other edits; Undo brings them back.")
        if not c.form_submit_button("Apply", width="stretch"):
            return
    try:
        session.choose(plan_from_words(plan.num_layers, layers, attention=attention, mlp=mlp))
    except UserError as error:
        st.error(str(error))
    else:
        st.rerun()


st.title("Plan")
stats = need_stats()
plan = session.plan(stats.num_layers)
st.write("What will be cut, and what it costs, before anything is built.")
choice_bar(plan)
st.plotly_chart(figures.layer_strip(plan.num_layers, plan, session.palette()), theme=None, width="stretch", key="strip")
left, right = st.columns(2, gap="large")
with left:
    preview_numbers(plan, curve=True)
    edit_by_hand(plan)
    if plan.edits:
        next_step("benchmark", "Build it and compare")
    else:
        next_step("redundancy", "Choose layers on the heat map")
with right:
    tried = session.previews()
    now = next((seen for seen in reversed(tried) if seen.plan.edits == plan.edits), None)
    if tried:
        st.write("**Every cut tried on this model and text.** The best ones are low and to the right.")
        earlier = [seen for seen in tried if seen.plan.edits != plan.edits]
        picture = figures.loss_preview(earlier, now, session.palette())
        st.plotly_chart(picture, theme=None, width="stretch", key="tried")

by_method, compared, replaced = st.tabs(["Let a method choose", "Compare methods", "Replace instead of drop"])
with by_method:
    method_panel(stats)
with compared:
    method_table(stats)
with replaced:
    replace_panel(plan)
