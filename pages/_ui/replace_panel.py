"""Put something in the place of the removed blocks: a fitted linear map, a trained layer, a small network."""

import streamlit as st

from pages._ui import state
from pages._ui.choice import outlined
from prune_core.fitting import NETWORKS, Fit
from prune_core.types import Plan, Replace, UserError
from prune_core.wording import describe

PLACES = {
    "layer before": "It is folded into the layer below: the export is a plain model without added parameters.",
    "first layer": "It takes the place of the block's first layer: the export is a plain model with one layer more.",
    "nowhere": "It can be previewed only: no plain model can hold it.",
}


def replace_panel(plan: Plan) -> None:
    """Choose the network; the plan then holds Replace edits, and its preview fits them first."""
    if not plan.removed:
        st.info("Choose layers first: what stands in for them is fitted on the calibration text.")
        return
    by_name = {network.name: network for network in NETWORKS}
    key = state.seed("network", NETWORKS[0].name)
    name = st.selectbox("In their place", list(by_name), key=key, format_func=lambda n: by_name[n].label)
    network = by_name[name or NETWORKS[0].name]
    st.caption(f"{network.what} {PLACES[network.place]} Source: {network.source}.")
    fit = Fit()
    if network.trained:
        a, b = st.columns(2)
        steps = int(a.number_input("Training steps", 10, 100_000, key=state.seed("fit_steps", fit.steps), step=50))
        rate = b.number_input("Learning rate", 1e-6, 1e-1, key=state.seed("fit_rate", fit.first_rate), format="%.1e")
        fit = Fit(steps=steps, first_rate=rate, last_rate=rate / 4)
    try:
        edits = tuple(Replace(block, network.name, fit) for block in outlined(plan.removed))
        replaced = Plan(plan.num_layers, edits, plan.method)
    except UserError as error:
        st.error(str(error), icon=":material/error:")
        return
    label = f"Use it: {describe(replaced)}"
    st.button(label, on_click=state.choose, args=(replaced,), icon=":material/swap_horiz:")
