"""The exact drop map: what dropping each block really costs, compared with similarity; the best sets of blocks."""

import pandas as pd
import streamlit as st

from pages._ui.figures.drop_map import damage_map, similarity_against_damage
from pages._ui.map.heatmap import heatmap
from pages._ui.map.picking import blocks_of, cut_layers
from pages._ui.redundancy.block_sets_view import sets_view
from pages._ui.shared.choice import add_or_replace, map_and_side
from pages._ui.shared.job_panel import job_panel, watch
from pages._ui.state import session
from prune_core.measure.correlation import Damage, correlations
from prune_core.pipeline.specs import DropMapSpec
from prune_core.schema.drop_map import DropMap
from prune_core.schema.errors import UserError
from prune_core.schema.measures import LayerStats, measure
from prune_core.schema.plan import Plan
from prune_core.schema.wording import counted, seconds_in_words, sequence_noun
from prune_core.store import jobs

TITLE = "Measuring the cost of dropping each block"
LABELS: dict[Damage, str] = {"loss": "Change in loss", "kl": "KL from the donor"}


def damage_view(stats: LayerStats, name: str, plan: Plan, adds: bool) -> None:
    """Measure the map (a job that can be stopped and resumed), or show it as measured so far."""
    now, store = session.workspace(), session.store()
    spec = DropMapSpec(now.model, now.calibration)
    job_id = jobs.job_id(spec)
    job = jobs.status(store, job_id)
    try:
        drops = store.result(job_id) or store.partial(job_id)
    except UserError:  # stored by another version; measuring again replaces it
        drops = None
    if job is None or job.state in jobs.STOPPED:
        label = "Measure the cost of dropping each block" if drops is None else "Resume measuring"
        if st.button(label, icon=":material/play_arrow:"):
            jobs.submit(store, spec)
            st.rerun()

    def draw_again_once_doubled() -> None:
        so_far = store.partial(job_id)
        shown = drops.sequences if isinstance(drops, DropMap) else 0
        if isinstance(so_far, DropMap) and so_far.sequences >= max(1, 2 * shown):
            st.rerun()

    if job is not None and job.state in jobs.STOPPED:
        job_panel(job_id, TITLE)
    elif job is not None and job.state != "done":
        watch(job_id, TITLE, draw_again_once_doubled)
    if isinstance(drops, DropMap):
        _show(stats, drops, name, plan, adds, grows=job is not None and job.state in ("queued", "running"))


def _show(stats: LayerStats, drops: DropMap, name: str, plan: Plan, adds: bool, grows: bool) -> None:
    planned = counted(drops.planned, sequence_noun(session.workspace().calibration))
    st.caption(
        f"Loss and KL on {int(drops.tokens.sum()):,} tokens of {drops.sequences} of {planned}, "
        f"in {seconds_in_words(drops.seconds)}. The uncut model's loss is {drops.donor_loss:.3f} nats per token."
    )
    key = session.seed("damage", "loss")
    chosen = st.segmented_control("Damage", list(LABELS), key=key, required=True, format_func=lambda d: LABELS[d])
    damage: Damage = chosen or "loss"
    left, right = map_and_side()
    with left:
        heatmap(
            damage_map(drops, damage, session.palette()),
            key=f"damage_{damage}",
            num_layers=drops.num_layers,
            on_choose=lambda block: add_or_replace(block, drops.num_layers, adds),
            on_clear=lambda: session.choose(Plan(drops.num_layers)),
            chosen=blocks_of(cut_layers(plan)),
            label=f"{LABELS[damage]} when the block is dropped",
        )
    with right:
        st.write("**Does similarity predict damage for this model?** Rank correlation; 1 is a perfect predictor.")
        rows = [
            {"Measure": measure(a.measure).label, "All blocks": a.overall, "Blocks of the same size": a.within}
            for a in correlations(stats, drops, damage)
        ]
        style = st.column_config.NumberColumn(format="%.2f")
        columns = {"All blocks": style, "Blocks of the same size": style}
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=columns, width="stretch", key="correlations")
        sets_view(drops, damage, grows)
    scatter = similarity_against_damage(stats, drops, name, damage, session.palette())
    st.plotly_chart(scatter, theme=None, width="stretch", key="scatter")
