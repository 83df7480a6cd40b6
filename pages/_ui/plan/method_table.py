"""Several methods at one budget: their strips stacked, their measured losses, and the layers they share."""

from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from pages._ui.figures.method_strips import strips
from pages._ui.shared.job_panel import start, try_again, watch
from pages._ui.state import session
from prune_core.methods import METHODS, Measured, Method
from prune_core.pipeline.specs import PlanResult, PlanSpec, PreviewSpec
from prune_core.schema.errors import UserError
from prune_core.schema.job import Job
from prune_core.schema.measures import LayerStats
from prune_core.schema.plan import DropPart, Plan
from prune_core.schema.reports import Preview
from prune_core.schema.wording import describe, named
from prune_core.store import jobs

LOSS, CHANGE = "Loss", "Change"


@dataclass(frozen=True)
class Entry:
    """Where one method stands: its plan, what that costs, its running or stopped job; or why it has no plan."""

    label: str
    plan: Plan | None = None
    seen: Preview | None = None
    spec: PlanSpec | PreviewSpec | None = None
    job: Job | None = None
    refused: str = ""

    @property
    def stopped(self) -> bool:
        return self.job is not None and self.job.state in jobs.STOPPED

    @property
    def words(self) -> str:
        """The status shown beside the numbers."""
        if self.refused or self.job is None:
            return self.refused
        what = "search" if isinstance(self.spec, PlanSpec) else "loss measurement"
        return f"{what}: {self.job.error or self.job.state}"


def method_table(stats: LayerStats) -> None:
    """Choose methods and a budget; plans come at once or as jobs, losses as previews."""
    quick = [m.name for m in METHODS if m.needs == "similarity"]
    labels = {m.name: m.label for m in METHODS}
    a, b = st.columns([3, 1], gap="large")
    names = a.multiselect("Methods", list(labels), key=session.seed("compared", quick), format_func=lambda n: labels[n])
    most = max(1, stats.num_layers - 1)
    key = session.seed("compared_budget", min(most, max(1, stats.num_layers // 4)), among=range(1, most + 1))
    budget = int(b.number_input("Layers to remove", 1, most, key=key))
    searching = [labels[m.name] for m in METHODS if m.name in names and m.needs == "search"]
    if searching:
        st.caption(f"These run the model, which takes longer: {', '.join(searching)}.")
    chosen = [method().at_budget() for method in METHODS if method.name in names]
    if st.button("Compare these methods", icon=":material/compare_arrows:", disabled=not chosen):
        session.remember_comparison(tuple(names), budget)
    if chosen and session.comparison() == (tuple(names), budget):
        _show([_entry(method, budget, stats) for method in chosen])


# --- where each method stands -----------------------------------------------------------------------------------------


def _entry(method: Method, budget: int, stats: LayerStats) -> Entry:
    """What is known about the method; the rest is queued, unless it was stopped."""
    entry, now = Entry(method.label), session.workspace()
    if method.needs == "search":
        entry = _asked(entry, PlanSpec(now.model, now.calibration, method, budget))
    else:
        try:
            entry = replace(entry, plan=method.plan(Measured(stats.num_layers, stats), budget))
        except UserError as error:
            return replace(entry, refused=str(error))
    return entry if entry.plan is None else _asked(entry, now.preview_spec(entry.plan))


def _asked(entry: Entry, spec: PlanSpec | PreviewSpec) -> Entry:
    """With the stored result of `spec`, else with its job."""
    store = session.store()
    job = jobs.status(store, jobs.job_id(spec))
    if job is None:
        start(spec)
        job = jobs.status(store, jobs.job_id(spec))
    result = store.result(job.id) if job is not None and job.state == "done" else None
    if isinstance(result, PlanResult):
        return replace(entry, plan=result.plan)
    if isinstance(result, Preview):
        return replace(entry, seen=result)
    return replace(entry, spec=spec, job=job)


# --- showing it -----------------------------------------------------------------------------------------------------


def _show(entries: list[Entry]) -> None:
    ordered = sorted(entries, key=lambda entry: float("inf") if entry.seen is None else entry.seen.loss)
    plans = {entry.label: entry.plan for entry in ordered if entry.plan is not None}
    if plans:
        st.plotly_chart(strips(plans, session.palette()), theme=None, width="stretch", key="compared_strips")
        st.caption(shared_layers(plans))
    _table(ordered)
    stopped = [entry.spec for entry in ordered if entry.stopped and entry.spec]
    if stopped:
        try_again(*stopped, label="Retry the stopped jobs" if len(stopped) > 1 else "Try again")
    open_jobs = [(entry.job, entry.label) for entry in ordered if entry.job is not None and not entry.stopped]
    for job, label in sorted(open_jobs, key=lambda item: item[0].state != "running")[:1]:
        watch(job.id, label)


def _table(entries: list[Entry]) -> None:
    """Best first; selecting a row offers its plan."""
    rows = [
        {
            "Method": entry.label,
            "Plan": "" if entry.plan is None else describe(entry.plan),
            LOSS: None if entry.seen is None else entry.seen.loss,
            CHANGE: None if entry.seen is None else entry.seen.loss - entry.seen.donor_loss,
            "±": None if entry.seen is None else entry.seen.delta_stderr,
        }
        for entry in entries
    ]
    table = pd.DataFrame(rows)
    if any(entry.words for entry in entries):
        table["Status"] = [entry.words for entry in entries]
    formats = {LOSS: "%.4f", CHANGE: "%+.4f", "±": "%.4f"}
    picked = st.dataframe(
        table,
        hide_index=True,
        column_config={name: st.column_config.NumberColumn(format=how) for name, how in formats.items()},
        width="stretch",
        placeholder="–",
        key="compared_table",
        on_select="rerun",
        selection_mode="single-row",
    )
    tokens = next((f" on {entry.seen.tokens:,} tokens of the calibration text" for entry in entries if entry.seen), "")
    st.caption(
        f"Loss and its change from the donor in nats per token{tokens}, ± one standard error of the change. "
        "Select a row to use its plan."
    )
    rows_picked = picked.selection.rows
    plan = entries[rows_picked[0]].plan if rows_picked and rows_picked[0] < len(entries) else None
    if plan is not None and plan.edits:
        st.button(f"Use this plan: {describe(plan)}", on_click=session.choose, args=(plan,), type="primary")


def shared_layers(plans: dict[str, Plan]) -> str:
    """ "Removed by all 3: layers 9 to 10; by 2: layer 11; by 1: layers 2, 12." The figure counts halves too."""
    votes = [sum(layer in plan.removed for plan in plans.values()) for layer in range(_depth(plans))]
    parts = []
    for count in range(len(plans), 0, -1):
        layers = tuple(layer for layer, vote in enumerate(votes) if vote == count)
        if layers:
            whom = f"all {count}" if count == len(plans) > 1 else str(count)
            parts.append(f"{'by' if parts else 'Removed by'} {whom}: {named(layers)}")
    whole = "; ".join(parts) + "." if parts else "No method removes a whole layer."
    if any(isinstance(edit, DropPart) for plan in plans.values() for edit in plan.edits):
        whole += " This counts whole layers; in the figure's last row, a dropped attention or MLP (½) counts as half."
    return whole


def _depth(plans: dict[str, Plan]) -> int:
    return next(iter(plans.values())).num_layers
