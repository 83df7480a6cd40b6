"""The best sets of several blocks for a budget: found by adding up drop-map values, then measured as previews."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from pages._ui.shared.job_panel import job_panel, start, try_again, watch
from pages._ui.state import session
from prune_core.measure.correlation import Damage
from prune_core.pipeline.specs import PreviewSpec
from prune_core.schema.drop_map import DropMap
from prune_core.schema.plan import Plan, drop_plan
from prune_core.schema.reports import Preview
from prune_core.schema.wording import named, ranges
from prune_core.search.block_sets import Candidate, best_sets, remeasured
from prune_core.store import jobs

COUNT = 5
ADDED, MEASURED = "Added up", "Measured"


def sets_view(drops: DropMap, damage: Damage, grows: bool) -> None:
    """The sets with the lowest added-up cost, each measured on request, with both numbers; one click selects one.

    They can be measured once the map no longer `grows`, since the sets change with it.
    """
    st.write("**The best set of blocks for a budget**")
    most = max(1, drops.num_layers - 1)
    key = session.seed("sets_budget", max(1, drops.num_layers // 4), among=range(1, most + 1))
    budget = int(st.number_input("Layers to remove", 1, most, key=key))
    found = [_in_loss(each, drops) for each in best_sets(_values(drops, damage), budget, COUNT)]
    specs = {each.layers: _spec(drops, each) for each in found}
    known = {layers: seen for layers, spec in specs.items() if (seen := _preview(spec)) is not None}
    if len(known) == len(found):
        found = remeasured(found, lambda layers: known[layers].loss - known[layers].donor_loss)
    rows = [_row(each, known.get(each.layers)) for each in found]
    number = st.column_config.NumberColumn(format="%+.3f")
    columns = {ADDED: number, MEASURED: number, "±": st.column_config.NumberColumn(format="%.3f")}
    picked = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config=columns,
        width="stretch",
        placeholder="–",
        key="sets",
        on_select="rerun",
        selection_mode="single-row",
    )
    st.caption(
        "Change in loss, nats per token. Adding up each block's own damage ignores how blocks interact; measuring "
        "runs the model without all of them at once. ± is one standard error of the measured change."
    )
    if not grows:
        _measure([specs[each.layers] for each in found if each.layers not in known])
    row = next((row for row in picked.selection.rows if row < len(found)), 0)
    plan = _plan(drops.num_layers, found[row].layers)
    label = f"Choose {named(plan.removed)}" + (" (the best)" if row == 0 else "")
    st.button(label, on_click=session.choose, args=(plan,), width="stretch", help="For another set, select its row.")


def _measure(left: list[PreviewSpec]) -> None:
    """Start, watch or restart what is not measured yet."""
    standing = {jobs.job_id(spec): jobs.status(session.store(), jobs.job_id(spec)) for spec in left}
    waiting = [job_id for job_id, job in standing.items() if job is not None and job.state in ("queued", "running")]
    stopped = [job_id for job_id, job in standing.items() if job is not None and job.state in jobs.STOPPED]
    if waiting:
        watch(waiting[0], "Measuring the sets")
    elif stopped:
        job_panel(stopped[0], "Measuring the sets")
        try_again(*left)
    elif left:
        st.button("Measure these sets", on_click=start, args=tuple(left), icon=":material/play_arrow:")


def _in_loss(each: Candidate, drops: DropMap) -> Candidate:
    """With the prediction as a change in loss, whichever damage found the sets: that is what gets measured."""
    return replace(each, predicted=float(sum(drops.delta[block.start, block.stop] for block in each.blocks)))


def _spec(drops: DropMap, each: Candidate) -> PreviewSpec:
    return session.workspace().preview_spec(_plan(drops.num_layers, each.layers))


def _plan(num_layers: int, layers: tuple[int, ...]) -> Plan:
    """The same for measuring and for choosing, so that what is chosen has already been measured."""
    return drop_plan(num_layers, layers, "drop map")


def _preview(spec: PreviewSpec) -> Preview | None:
    seen = jobs.result(session.store(), spec)
    return seen if isinstance(seen, Preview) else None


def _row(each: Candidate, seen: Preview | None) -> dict[str, str | float | None]:
    measured = None if seen is None else seen.loss - seen.donor_loss
    error = None if seen is None else seen.delta_stderr
    return {"Layers": ranges(each.layers), ADDED: each.predicted, MEASURED: measured, "±": error}


def _values(drops: DropMap, damage: Damage) -> np.ndarray:
    return drops.delta if damage == "loss" else drops.divergence
