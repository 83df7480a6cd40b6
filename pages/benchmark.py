"""Donor and pruned model side by side: metrics before and after, your own prompts, skills layer by layer."""

import streamlit as st

from pages._ui.benchmark.evaluation_form import evaluation_form
from pages._ui.benchmark.skill_view import skill_view
from pages._ui.benchmark.text_view import text_view
from pages._ui.shared.before_after_view import show_comparison
from pages._ui.shared.choice import need_stats
from pages._ui.shared.export import show_export
from pages._ui.shared.job_panel import job_panel
from pages._ui.shared.model_and_text import of_the_demo, warn_of_another
from pages._ui.shared.next_step import next_step
from pages._ui.state import session
from prune_core.schema.plan import Plan
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.wording import describe
from prune_core.store import catalogue, jobs


def before_and_after(plan: Plan) -> None:
    """Build the checkpoint, measure both models, show the latest run."""
    now = session.workspace()
    st.write("Builds the pruned checkpoint, loads it back from disk, and measures it and its donor in the same way.")
    warning = st.container()
    foreign = bool(of_the_demo(now.model, now.evaluation))
    opened = session.seed(f"evaluation_open_{now.model.path}", foreign)  # and stays open while the user fills it in
    with st.expander("What is measured", icon=":material/tune:", expanded=session.get(opened)):
        evaluation = evaluation_form(now.evaluation)
    if words := of_the_demo(now.model, evaluation):
        warning.warning(f"These are the demo's {words}: choose your own below.", icon=":material/warning:")
    if evaluation != now.evaluation:
        session.update(evaluation=evaluation)
    job = jobs.status(session.store(), now.run_id) if now.run_id else None
    busy = job is not None and job.state in ("queued", "running")
    if plan.edits:
        label = f"Build and compare: {describe(plan)}"
        if st.button(label, type="primary", disabled=busy, icon=":material/play_arrow:"):
            spec = RunSpec(now.model, now.calibration, plan, evaluation)
            session.update(run_id=jobs.submit(session.store(), spec))
            st.rerun()
    else:
        st.info("Choose the layers to drop first.", icon=":material/info:")
        next_step("redundancy", "Choose layers on the heat map")
    if now.run_id and job is not None:
        job_panel(now.run_id, "Build and compare")
        spec, result = session.store().spec(now.run_id), session.store().result(now.run_id)
        again = "Try again" if job.state == "failed" else "Resume"
        if job.state in jobs.STOPPED and isinstance(spec, RunSpec) and st.button(again):
            jobs.submit(session.store(), spec, now.run_id)
            st.rerun()
        if job.state == "done" and isinstance(result, RunResult) and isinstance(spec, RunSpec):
            warn_of_another(spec)
            show_comparison(catalogue.entry(session.store(), now.run_id), spec, result)
            show_export(now.run_id, spec, result)


st.title("Benchmark")
stats = need_stats()
plan = session.plan(stats.num_layers)
names = ["Before and after", "Try your own prompts", "Where it hurts"]
sections = st.tabs(names, key="section", on_change="rerun", bind="query-params")  # only the open one runs
for section, show in zip(sections, (before_and_after, text_view, skill_view), strict=True):
    if section.open:
        with section:
            show(plan)
