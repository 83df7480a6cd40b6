"""How much a calibration text gives, told before anything is measured on it. The worker has the tokenizer, not this
process, so a small job draws the sequences there; the model's weights are not loaded for it."""

import streamlit as st

from pages._ui.shared.job_panel import job_panel
from pages._ui.shared.plain import plain
from pages._ui.state import session
from prune_core.pipeline.specs import DrawSpec
from prune_core.schema.drawn import Drawn
from prune_core.schema.inputs import Calibration
from prune_core.schema.paths import given_path, is_file
from prune_core.schema.wording import capitalised, text_size, too_little
from prune_core.store import jobs

TITLE = "Reading the text"


def text_facts() -> None:
    """What the workspace's text gives. Files are read unasked; a dataset is fetched once its button is pressed."""
    now, store = session.workspace(), session.store()
    spec = DrawSpec(now.model, now.calibration)
    job_id = jobs.job_id(spec)
    job = jobs.status(store, job_id)
    drawn = drawn_text()
    if drawn is not None:
        _show(now.calibration, drawn)
        return
    if job is None and _is_near(now.calibration):
        jobs.submit(store, spec)
    elif (job is None or job.state in jobs.FINISHED) and st.button("See how much the text gives"):
        jobs.submit(store, spec)
        st.rerun()
    job_panel(job_id, TITLE)


def drawn_text() -> Drawn | None:
    """What is known of the workspace's text with the workspace's tokenizer."""
    now, store = session.workspace(), session.store()
    found = jobs.result(store, DrawSpec(now.model, now.calibration))
    return found if isinstance(found, Drawn) else None


def origin(drawn: Drawn) -> str:
    """Where the sequences are from, and which marks they have."""
    return plain(f"Drawn from {drawn.origin}. {drawn.marks}")


def _show(text: Calibration, drawn: Drawn) -> None:
    warning = too_little(text, drawn.sequences, drawn.tokens)
    size = text_size(text, drawn.sequences, drawn.tokens)
    if warning:
        st.warning(warning, icon=":material/warning:")
    st.caption(f"{capitalised(size)}. {origin(drawn)}")


def _is_near(text: Calibration) -> bool:
    return text.source == "demo" or is_file(given_path(text.source))
