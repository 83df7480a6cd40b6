"""Several methods at one budget: their strips under each other, their measured losses, and where they agree."""

import pandas as pd
import streamlit as st

from pages._ui import state
from pages._ui.figures.agreement import strips
from pages._ui.progress import job_panel
from prune_core import jobs
from prune_core.methods import METHODS, Measured, Method
from prune_core.specs import PlanResult, PlanSpec, PreviewSpec
from prune_core.types import LayerStats, Plan, Preview, UserError
from prune_core.wording import describe


def method_table(stats: LayerStats) -> None:
    """Choose methods and a budget; plans come at once or as jobs, losses as previews."""
    quick = [m.name for m in METHODS if m.needs == "similarity"]
    labels = {m.name: m.label for m in METHODS}
    a, b = st.columns([3, 1], gap="large")
    names = a.multiselect("Methods", list(labels), key=state.seed("compared", quick), format_func=lambda n: labels[n])
    most = max(1, stats.num_layers - 1)
    key = state.seed("compared_budget", min(most, max(1, stats.num_layers // 4)))
    budget = int(b.number_input("Layers to remove", 1, most, key=key))
    chosen = [method().at_budget() for method in METHODS if method.name in names]
    if st.button("Compare them", icon=":material/compare_arrows:", disabled=not chosen):
        state.remember_comparison(tuple(names), budget)
    if chosen and state.comparison() == (tuple(names), budget):
        _compare(chosen, budget, stats)


def _compare(methods: list[Method], budget: int, stats: LayerStats) -> None:
    plans: dict[str, Plan] = {}
    previews: dict[str, Preview] = {}
    open_jobs: list[tuple[str, str]] = []
    for method in methods:
        try:
            plan = _plan(method, budget, stats, open_jobs)
        except UserError as error:
            st.warning(str(error))
            continue
        if plan is None:
            continue
        plans[method.label] = plan
        seen = _answer(PreviewSpec(state.workspace().model, state.workspace().calibration, plan), method, open_jobs)
        if isinstance(seen, Preview):
            previews[method.label] = seen
    if plans:
        ordered = dict(sorted(plans.items(), key=lambda item: previews[item[0]].loss if item[0] in previews else 1e9))
        st.plotly_chart(strips(ordered, state.palette()), theme=None, width="stretch", key="compared_strips")
        rows = [_row(label, plan, previews.get(label)) for label, plan in ordered.items()]
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", key="compared_table")
    if open_jobs:
        job_panel(*open_jobs[0])


def _plan(method: Method, budget: int, stats: LayerStats, open_jobs: list[tuple[str, str]]) -> Plan | None:
    if method.needs != "search":
        return method.plan(Measured(stats.num_layers, stats), budget)
    now = state.workspace()
    result = _answer(PlanSpec(now.model, now.calibration, method, budget), method, open_jobs)
    return result.plan if isinstance(result, PlanResult) else None


def _answer(spec: PlanSpec | PreviewSpec, method: Method, open_jobs: list[tuple[str, str]]) -> object:
    """The kept answer, else None after the job was queued (or failed, which its panel says)."""
    store = state.store()
    kept = jobs.result(store, spec)
    if kept is None:
        job_id = jobs.job_id(spec)
        job = jobs.status(store, job_id)
        if job is None or job.state in ("queued", "running"):
            jobs.submit(store, spec)
        open_jobs.append((job_id, method.label))
    return kept


def _row(label: str, plan: Plan, seen: Preview | None) -> dict[str, str]:
    change = f"{seen.loss - seen.donor_loss:+.4f} ± {seen.delta_stderr:.4f}" if seen else "…"
    return {
        "Method": label,
        "Plan": describe(plan),
        "Loss (nats per token)": f"{seen.loss:.4f}" if seen else "…",
        "Change from the donor": change,
    }
