"""Every run that was made, newest first; open one to see its figures again."""

import pandas as pd
import streamlit as st

from pages._ui import state
from prune_core import jobs
from prune_core.reports import Metric
from prune_core.specs import RunResult, RunSpec
from prune_core.wording import describe, metric_in_words


def row(run_id: str) -> dict[str, str] | None:
    """One run as a line of the table; None where its folder holds no run."""
    spec, job = state.store().spec(run_id), jobs.status(state.store(), run_id)
    if not isinstance(spec, RunSpec) or job is None:
        return None
    result = state.store().result(run_id) if job.state == "done" else None
    made = f"{run_id[4:8]}-{run_id[8:10]}-{run_id[10:12]} {run_id[13:15]}:{run_id[15:17]}"
    line = {"Made": made, "Model": spec.model.path, "Plan": describe(spec.plan), "State": job.state}
    if isinstance(result, RunResult):
        line |= {
            "Perplexity": before_after(result, "perplexity"),
            "Mean of skills": before_after(result, "acc", "demo_skills"),
            "Parameters": before_after(result, "parameters"),
        }
    return line | {"Reason": job.error or ""}


def before_after(result: RunResult, name: str, task: str | None = None) -> str:
    """ "donor → pruned" of one metric, empty where it was not measured."""

    def find(metrics: tuple[Metric, ...]) -> str:
        return next((metric_in_words(m) for m in metrics if m.name == name and task in (None, m.task)), "")

    before, after = find(result.donor.metrics), find(result.pruned.metrics)
    return f"{before} → {after}" if before or after else ""


st.title("Runs")
ids = state.store().ids("run")
rows = {run_id: line for run_id in ids if (line := row(run_id)) is not None}
if not rows:
    st.info("No run yet. A run builds a pruned model and measures it beside its donor.", icon=":material/info:")
    st.page_link("pages/redundancy.py", label="Choose layers on the heat map", icon=":material/arrow_back:")
    st.stop()
st.write("Every run is kept. Select one to open its figures.")
event = st.dataframe(
    pd.DataFrame(list(rows.values())),
    hide_index=True,
    width="stretch",
    on_select="rerun",
    selection_mode="single-row",
    key="runs",
)
if event.selection.rows:
    state.update(run_id=list(rows)[event.selection.rows[0]])
    st.switch_page("pages/benchmark.py")
