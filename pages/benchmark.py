"""Build the planned checkpoint and measure donor and pruned model: one table, one picture, texts side by side."""

import streamlit as st

from pages._ui import state
from pages._ui.choice import need_stats
from pages._ui.comparison import show_comparison
from pages._ui.export import show_export
from pages._ui.forms import evaluation_form
from pages._ui.progress import job_panel
from prune_core import jobs
from prune_core.specs import RunResult, RunSpec
from prune_core.wording import describe

st.title("Benchmark")
stats = need_stats()
plan = state.plan(stats.num_layers)
now = state.workspace()
st.write("Builds the pruned checkpoint, loads it back from disk, and measures it beside the donor in the same way.")

with st.expander("What is measured", icon=":material/tune:"):
    evaluation = evaluation_form(now.evaluation)
if evaluation != now.evaluation:
    state.update(evaluation=evaluation)

job = jobs.status(state.store(), now.run_id) if now.run_id else None
busy = job is not None and job.state in ("queued", "running")
if plan.edits:
    if st.button(f"Build and compare: {describe(plan)}", type="primary", disabled=busy, icon=":material/play_arrow:"):
        spec = RunSpec(now.model, now.calibration, plan, evaluation)
        state.update(run_id=jobs.submit(state.store(), spec))
        st.rerun()
else:
    st.info("Choose the layers to drop first.", icon=":material/info:")
    st.page_link("pages/redundancy.py", label="Choose layers on the heat map", icon=":material/arrow_back:")

if now.run_id and job is not None:
    job_panel(now.run_id, "Build and compare")
    spec, result = state.store().spec(now.run_id), state.store().result(now.run_id)
    if job.state == "done" and isinstance(result, RunResult) and isinstance(spec, RunSpec):
        show_comparison(spec, result)
        show_export(now.run_id, spec, result)
