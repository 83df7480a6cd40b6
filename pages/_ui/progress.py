"""The job panel: how a job stands, time left, Cancel. A fragment, so that watching a job does not rerun the page."""

import streamlit as st

from pages._ui import state
from prune_core import jobs
from prune_core.specs import Job, Spec
from prune_core.wording import seconds_in_words

POLL_S = 0.5


def job_panel(job_id: str, title: str) -> None:
    """Show an unfinished job until it ends, then rerun the page; show the reason of a failed one."""
    job = jobs.status(state.store(), job_id)
    if job is None or job.state == "done":
        return
    if job.state == "failed":
        st.error(job.error or "The job failed.", icon=":material/error:")
    elif job.state == "cancelled":
        st.info(f"{title} was cancelled. Nothing half-made was kept.", icon=":material/cancel:")
    else:
        _watch(job_id, title)


@st.fragment(run_every=POLL_S)
def _watch(job_id: str, title: str) -> None:
    job = jobs.status(state.store(), job_id)
    if job is None or job.state in jobs.FINISHED:
        st.rerun()
        return
    with st.container(border=True):
        left, right = st.columns([5, 1], vertical_alignment="center")
        share = min(job.done / job.total, 1.0) if job.total else 0.0
        left.progress(share if job.state == "running" else 0.0, text=f"**{title}**: {_words(job)}")
        if right.button("Cancel", key=f"cancel_{job_id}", width="stretch"):
            jobs.cancel(state.store(), job_id)


def quick(spec: Spec, title: str, timeout_s: float = 3.0) -> Job:
    """Run a short job and wait for it, so that its number is there at once; a longer wait shows the panel instead.

    One that failed or was cancelled is not started again by a mere rerun of the page, only by the user.
    """
    store = state.store()
    job = jobs.status(store, jobs.job_id(spec))
    if job is None or job.state not in ("failed", "cancelled"):
        job = jobs.wait(store, jobs.submit(store, spec), timeout_s)
    if job.state != "done":
        job_panel(job.id, title)
    if job.state in ("failed", "cancelled"):
        st.button("Try again", on_click=_start, args=(spec,), icon=":material/refresh:")
    return job


def _start(spec: Spec) -> None:
    jobs.submit(state.store(), spec)


def _words(job: Job) -> str:
    if job.state == "queued":
        return "waiting for the worker" if not job.ahead else f"waiting, {job.ahead} before it"
    done = f"{job.done:,} of {job.total:,} {job.unit}" if job.total else ""
    left = f", about {seconds_in_words(job.eta_s)} left" if job.eta_s is not None else ""
    return f"{job.stage or 'starting'} · {done}{left}" if done else job.stage or "starting"
