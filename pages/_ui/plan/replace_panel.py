"""Replace the cut blocks with something smaller: a fitted linear map, a trained layer, small networks."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages._ui.map.picking import blocks_of, cut_layers, split, uncut
from pages._ui.shared.fit_view import gave_way, trained_edits
from pages._ui.shared.job_panel import start
from pages._ui.shared.paper_links import linked
from pages._ui.state import session
from prune_core.pipeline.specs import ReplaceResult
from prune_core.schema.errors import UserError
from prune_core.schema.fit import NETWORKS, Fit, Network
from prune_core.schema.plan import Drop, Plan, Replace
from prune_core.schema.wording import describe
from prune_core.store import jobs

PLACES = {
    "layer before": "It is folded into the layer below: the export is a plain model with no extra parameters.",
    "first layer": "It takes the place of the block's first layer: the export is a plain model with one more layer.",
    "nowhere": "Preview only: no plain model can hold it.",
}
PAIR = 2
"""A network that takes the place of a layer saves something only in blocks of at least this many layers."""


def replace_panel(plan: Plan) -> None:
    """Choose the network; the plan then holds Replace edits, and its preview fits them first."""
    blocks = blocks_of(cut_layers(plan))
    if not blocks:
        st.info("Choose layers first: their replacement is fitted on the calibration text.")
        return
    by_name = {network.name: network for network in NETWORKS}
    key = session.seed("network", NETWORKS[0].name)
    name = st.selectbox("Replace with", list(by_name), key=key, format_func=lambda n: by_name[n].label)
    network = by_name[name or NETWORKS[0].name]
    st.caption(f"{network.what} {PLACES[network.place]} Source: {linked(network.source)}.")
    fit, count = Fit(), 1
    if network.trained:
        columns = st.columns(4)
        count = _networks_per_block(columns[0], max(len(block) for block in blocks))
        fit = _training(columns[1:], fit)
    try:
        replaced = replaced_plan(plan, network, fit, count)
    except UserError as error:
        st.error(str(error), icon=":material/error:")
        return
    known = jobs.result(session.store(), session.workspace().replace_spec(replaced))
    if replaced.edits != plan.edits and isinstance(known, ReplaceResult) and (words := gave_way(replaced, known)):
        st.info(words, icon=":material/info:")  # for the plan in use it is shown beside its loss
    verb = "Train and use it" if network.trained else "Use it"
    st.button(f"{verb}: {describe(replaced)}", on_click=_use, args=(replaced,), icon=":material/swap_horiz:")


def replaced_plan(plan: Plan, network: Network, fit: Fit, count: int = 1) -> Plan:
    """The plan with `network` in place of each block that it cuts; `count` networks share a block.

    With a network that takes a layer's place, single layers stay dropped. Raises UserError if there are no others.
    """
    blocks = blocks_of(cut_layers(plan))
    if network.place != "first layer":
        return Plan(plan.num_layers, (*uncut(plan), *(Replace(block, network.name, fit) for block in blocks)))
    parts = [part for block in blocks if len(block) >= PAIR for part in split(block, count, least=PAIR)]
    if not parts:
        raise UserError(f"Replacing a single layer with {network.words} saves nothing: choose two neighbours or more.")
    single = tuple(block.start for block in blocks if len(block) < PAIR)
    dropped = (Drop(single),) if single else ()
    return Plan(plan.num_layers, (*uncut(plan), *dropped, *(Replace(part, network.name, fit) for part in parts)))


def _networks_per_block(place: DeltaGenerator, longest: int) -> int:
    most = max(1, longest // PAIR)
    hint = "Several networks can share a block: each learns its part of the block and keeps one layer."
    key = session.seed("networks_per_block", 1, among=range(1, most + 1))
    return int(place.number_input("Networks per block", 1, most, key=key, help=hint, disabled=most == 1))


def _training(places: Sequence[DeltaGenerator], usual: Fit) -> Fit:
    """How long and how fast a network trains, and on which loss."""
    a, b, c = places
    steps = int(a.number_input("Training steps", 10, 100_000, key=session.seed("fit_steps", usual.steps), step=50))
    key, hint = session.seed("fit_rate", usual.first_rate), "At the start; decays to a quarter along a half cosine."
    rate = b.number_input("Learning rate", 1e-6, 1e-1, key=key, format="%.1e", help=hint)
    key, hint = session.seed("fit_lm", usual.lm_weight), "0 fits the hidden state only; above 0, the next token too."
    share = c.number_input("Weight of next-token loss", 0.0, 1.0, key=key, step=0.1, help=hint)
    return replace(usual, steps=steps, first_rate=rate, last_rate=rate / 4, lm_weight=share)


def _use(plan: Plan) -> None:
    session.choose(plan)
    if trained_edits(plan):
        start(session.workspace().replace_spec(plan))
