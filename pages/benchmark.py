"""Donor and pruned model beside each other: figures before and after, texts of one's own, skills layer by layer."""

import streamlit as st

from pages._ui import state
from pages._ui.choice import need_stats
from pages._ui.comparison import show_comparison
from pages._ui.evaluation_form import evaluation_form
from pages._ui.export import show_export
from pages._ui.next_step import next_step
from pages._ui.progress import job_panel
from pages._ui.skill_view import skill_view
from pages._ui.text_view import text_view
from pages._ui.where import of_the_demo, warn_of_another
from prune_core import catalogue, jobs
from prune_core.specs import RunResult, RunSpec
from prune_core.types import Plan
from prune_core.wording import describe


def before_and_after(plan: Plan) -> None:
    """Build the checkpoint, measure both models, show the run that was asked for last."""
    now = state.workspace()
    st.write("Builds the pruned checkpoint, loads it back from disk, and measures it beside the donor in the same way.")
    warning = st.container()
    foreign = bool(of_the_demo(now.model, now.evaluation))
    opened = state.seed(f"evaluation_open_{now.model.path}", foreign)  # and not closed while one still fills it in
    with st.expander("What is measured", icon=":material/tune:", expanded=state.get(opened)):
        evaluation = evaluation_form(now.evaluation)
    if words := of_the_demo(now.model, evaluation):
        warning.warning(f"These are the demo's {words}: choose your own below.", icon=":material/warning:")
    if evaluation != now.evaluation:
        state.update(evaluation=evaluation)
    job = jobs.status(state.store(), now.run_id) if now.run_id else None
    busy = job is not None and job.state in ("queued", "running")
    if plan.edits:
        label = f"Build and compare: {describe(plan)}"
        if st.button(label, type="primary", disabled=busy, icon=":material/play_arrow:"):
            spec = RunSpec(now.model, now.calibration, plan, evaluation)
            state.update(run_id=jobs.submit(state.store(), spec))
            st.rerun()
    else:
        st.info("Choose the layers to drop first.", icon=":material/info:")
        next_step("redundancy", "Choose layers on the heat map")
    if now.run_id and job is not None:
        job_panel(now.run_id, "Build and compare")
        spec, result = state.store().spec(now.run_id), state.store().result(now.run_id)
        again = "Try again" if job.state == "failed" else "Go on where it stopped"
        if job.state in jobs.STOPPED and isinstance(spec, RunSpec) and st.button(again):
            jobs.submit(state.store(), spec, now.run_id)
            st.rerun()
        if job.state == "done" and isinstance(result, RunResult) and isinstance(spec, RunSpec):
            warn_of_another(spec)
            show_comparison(catalogue.entry(state.store(), now.run_id), spec, result)
            show_export(now.run_id, spec, result)


st.title("Benchmark")
stats = need_stats()
plan = state.plan(stats.num_layers)
names = ["Before and after", "Write your own prompt", "Where it hurts"]
sections = st.tabs(names, key="section", on_change="rerun", bind="query-params")  # only the one that is looked at runs
for section, show in zip(sections, (before_and_after, text_view, skill_view), strict=True):
    if section.open:
        with section:
            show(plan)
