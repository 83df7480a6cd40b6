"""The job panel: a job's status, time left, Cancel. A fragment, so that watching a job does not rerun the page."""

from collections.abc import Callable

import streamlit as st

from pages._ui.state import session
from prune_core.schema.errors import UserError
from prune_core.schema.job import Job, Result, Spec
from prune_core.schema.wording import seconds_in_words
from prune_core.store import jobs

POLL_S = 0.5


def nothing_more() -> None:
    """What is drawn below the bar of most jobs."""


def job_panel(job_id: str, title: str, live: Callable[[], None] = nothing_more, poll_s: float = POLL_S) -> None:
    """Show an unfinished job until it ends, then rerun the page; for a failed job, show the reason.

    `live` draws the job's results so far below the bar, every `poll_s` seconds.
    """
    job = jobs.status(session.store(), job_id)
    if job is None or job.state == "done":
        return
    if job.state in ("failed", "interrupted"):
        st.error(job.error or f"{title}: {job.state}.", icon=":material/error:")
    elif job.state == "cancelled":
        st.info(f"{title} was cancelled. {_kept(job)}", icon=":material/cancel:")
    else:
        watch(job_id, title, live, poll_s)


def _kept(job: Job) -> str:
    """What is left of a cancelled job."""
    if job.kind == "run":
        return "Its finished parts are kept."
    nothing = job.kind == "replace" or so_far(job.id) is None  # training leaves only its curve
    return "No partial result was kept." if nothing else "Its results so far are kept."


def watch(job_id: str, title: str, live: Callable[[], None] = nothing_more, poll_s: float = POLL_S) -> None:
    """The panel of a job that was unfinished when the page checked; if it has ended since, the page reruns."""
    st.fragment(_watch, run_every=poll_s)(job_id, title, live)


def so_far(job_id: str) -> Result | None:
    """The job's result, or its part so far; None before there is any, or where another version stored it."""
    try:
        return session.store().result(job_id) or session.store().partial(job_id)
    except UserError:
        return None


def _watch(job_id: str, title: str, live: Callable[[], None]) -> None:
    jobs.tend(session.store())
    job = jobs.status(session.store(), job_id)
    if job is None or job.state in jobs.FINISHED:
        st.rerun()
        return
    with st.container(border=True):
        bar(job, title)
        if job.ahead:
            _before(job_id)
        live()


def bar(job: Job, title: str) -> None:
    """How far an unfinished job is, and Cancel."""
    with st.container(horizontal=True, vertical_alignment="center"):
        share = min(job.done / job.total, 1.0) if job.total else 0.0
        st.progress(share if job.state == "running" else 0.0, text=f"**{title}**: {_words(job)}")
        if st.button("Cancel", key=f"cancel_{job.id}"):
            jobs.cancel(session.store(), job.id)


def _before(job_id: str) -> None:
    """The job that runs now, from whatever page or browser tab, and a way to cancel it for the one that waits."""
    now = jobs.running(session.store())
    job = jobs.status(session.store(), now) if now and now != job_id else None
    if job is not None and job.state == "running":
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Now running: {_words(job)}")
            if st.button("Cancel that job", key=f"cancel_before_{job_id}"):
                jobs.cancel(session.store(), job.id)


def quick(spec: Spec, title: str, timeout_s: float = 3.0, live: Callable[[], None] = nothing_more) -> Job:
    """Run a short job and wait for it, so that its number appears at once; a longer wait shows the panel instead.

    A failed or cancelled job is restarted only by the user, not by a rerun of the page.
    """
    store = session.store()
    job = jobs.status(store, jobs.job_id(spec))
    if job is None or job.state not in jobs.STOPPED:
        job = jobs.wait(store, jobs.submit(store, spec), timeout_s)
    _stopped_or_under_way(job, spec, title, live)
    return job


def asked(spec: Spec, label: str, title: str, live: Callable[[], None] = nothing_more) -> Result | None:
    """The stored result of `spec`. Until there is one: a button called `label` that starts the job, then its panel."""
    store, job_id = session.store(), jobs.job_id(spec)
    job = jobs.status(store, job_id)
    if job is not None and job.state == "done":
        return store.result(job_id)
    if job is None:
        st.button(label, key=f"start_{job_id}", on_click=start, args=(spec,), icon=":material/play_arrow:")
        return None
    _stopped_or_under_way(job, spec, title, live)
    return None


def _stopped_or_under_way(job: Job, spec: Spec, title: str, live: Callable[[], None]) -> None:
    if job.state in jobs.STOPPED:
        job_panel(job.id, title)
        try_again(spec)
    elif job.state != "done":
        watch(job.id, title, live)


def try_again(*specs: Spec, label: str = "Try again") -> None:
    """A button that restarts stopped jobs."""
    key = f"again_{jobs.job_id(specs[0])}"
    st.button(label, key=key, on_click=start, args=specs, icon=":material/refresh:")


def start(*specs: Spec) -> None:
    """Queue the jobs of `specs`; in a callback, so that the page that follows sees them waiting."""
    for spec in specs:
        jobs.submit(session.store(), spec)


def _words(job: Job) -> str:
    if job.state == "queued":
        return "waiting for the worker" if not job.ahead else f"waiting, {job.ahead} ahead of it"
    done = f"{job.done:,} of {job.total:,} {job.unit}" if job.total else ""
    left = f", about {seconds_in_words(job.eta_s)} left" if job.eta_s is not None else ""
    return f"{job.stage or 'starting'} · {done}{left}" if done else job.stage or "starting"
