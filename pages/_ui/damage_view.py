"""The exact drop map: what dropping every block really costs, beside what similarity says; the best sets of blocks."""

import pandas as pd
import streamlit as st

from pages._ui import state
from pages._ui.choice import add_or_replace, map_and_side, outlined
from pages._ui.figures.damage import damage_map, similarity_against_damage
from pages._ui.heatmap import heatmap
from pages._ui.progress import job_panel
from prune_core import jobs
from prune_core.block_sets import best_sets
from prune_core.correlation import Damage, agreements
from prune_core.damage import DropMap
from prune_core.measures import measure
from prune_core.specs import DropMapSpec
from prune_core.types import LayerStats, Plan, UserError, drop_plan
from prune_core.wording import describe, seconds_in_words

LABELS: dict[Damage, str] = {"loss": "Change of loss", "kl": "KL from the donor"}


def damage_view(stats: LayerStats, name: str, plan: Plan, adds: bool) -> None:
    """Measure the map (a job that can be stopped and goes on later), or show it as far as it is."""
    now, store = state.workspace(), state.store()
    spec = DropMapSpec(now.model, now.calibration)
    job_id = jobs.job_id(spec)
    job = jobs.status(store, job_id)
    try:
        drops = store.result(job_id) or store.partial(job_id)
    except UserError:  # kept by another version; measuring again replaces it
        drops = None
    if job is None or job.state in ("failed", "cancelled"):
        label = "Measure what dropping every block costs" if drops is None else "Go on measuring"
        if st.button(label, icon=":material/play_arrow:"):
            jobs.submit(store, spec)
            st.rerun()
    if job is not None and job.state != "done":
        job_panel(job_id, "Measuring what dropping every block costs")
    if isinstance(drops, DropMap):
        _show(stats, drops, name, plan, adds)


def _show(stats: LayerStats, drops: DropMap, name: str, plan: Plan, adds: bool) -> None:
    st.caption(
        f"Loss and KL on {int(drops.tokens.sum()):,} tokens of {drops.sequences} of {drops.planned} calibration texts, "
        f"in {seconds_in_words(drops.seconds)}; uncut, the loss is {drops.donor_loss:.3f} nats per token."
    )
    key = state.seed("damage", "loss")
    chosen = st.segmented_control("Damage", list(LABELS), key=key, required=True, format_func=lambda d: LABELS[d])
    damage: Damage = chosen or "loss"
    left, right = map_and_side()
    with left:
        heatmap(
            damage_map(drops, damage, state.palette()),
            key=f"damage_{damage}",
            num_layers=drops.num_layers,
            on_choose=lambda block: add_or_replace(block, drops.num_layers, adds),
            on_clear=lambda: state.choose(Plan(drops.num_layers)),
            chosen=outlined(plan.removed),
            label=f"{LABELS[damage]} when the block is dropped",
        )
    with right:
        st.write("**Does similarity predict damage for this model?** Rank correlation; 1 is a perfect predictor.")
        rows = [
            {"Measure": measure(a.measure).label, "All blocks": a.overall, "Blocks of one size": a.within}
            for a in agreements(stats, drops, damage)
        ]
        style = st.column_config.NumberColumn(format="%.2f")
        columns = {"All blocks": style, "Blocks of one size": style}
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=columns, width="stretch", key="agreements")
        _best_sets(drops, damage)
    scatter = similarity_against_damage(stats, drops, name, damage, state.palette())
    st.plotly_chart(scatter, theme=None, width="stretch", key="scatter")


def _best_sets(drops: DropMap, damage: Damage) -> None:
    """The sets of blocks that cost least by adding up; choosing one measures it."""
    most = max(1, drops.num_layers - 1)
    key = state.seed("sets_budget", max(1, drops.num_layers // 4))
    budget = int(st.number_input("The best set of blocks for this many layers", 1, most, key=key))
    for place, found in enumerate(best_sets(drops.delta if damage == "loss" else drops.divergence, budget, count=3)):
        plan = drop_plan(drops.num_layers, found.layers, "drop map")
        label = f"{describe(plan).capitalize()}, {found.predicted:+.3f} by adding up"
        st.button(label, key=f"set_{place}", on_click=state.choose, args=(plan,), width="stretch")
    st.caption("Adding up leaves out how blocks interact. Choose a set, and its real cost is measured above.")
