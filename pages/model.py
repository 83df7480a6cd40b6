"""Choose a model and a text, load it, and measure how alike its layers' hidden states are."""

import streamlit as st

from pages._ui.shared.forms import calibration_form, model_form
from pages._ui.shared.job_panel import job_panel, watch
from pages._ui.shared.next_step import next_step
from pages._ui.shared.text_facts import drawn_text, origin, text_facts
from pages._ui.state import session
from prune_core.pipeline.specs import InspectSpec
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration, ModelInfo, ModelRef
from prune_core.schema.measures import LayerStats
from prune_core.schema.wording import bytes_in_words, seconds_in_words, text_size, too_little
from prune_core.store import jobs

TITLE = "Measuring the layers"
TOO_FEW = "**The cost of a cut needs at least 2 of them.** "
RBF_HELP = "CKA with a Gaussian kernel: near neighbours count most. Slower than all other measures together."


@st.cache_data(ttl=60, show_spinner="Reading the model's files")
def model_info(ref: ModelRef) -> ModelInfo:
    """The model's size from its files, before anything is loaded. Raises UserError, which is not cached."""
    spec, store = InspectSpec(ref), session.store()
    job = jobs.wait(store, jobs.submit(store, spec), timeout_s=3)
    while job.state not in jobs.FINISHED and not job.ahead:  # a worker that has just started takes a while
        job = jobs.wait(store, job.id, timeout_s=1)
    info = store.result(job.id)
    if job.state == "done" and isinstance(info, ModelInfo):
        return info
    raise UserError(job.error or "The worker is busy with another job: this model is next.")


def show_info(info: ModelInfo) -> None:
    a, b, c, d = st.columns(4)
    a.metric("Layers", info.num_layers, help=f"{info.family}, hidden size {info.hidden_size}")
    b.metric("Parameters", f"{info.parameters / 1e6:,.1f} M")
    weights = bytes_in_words(info.weight_bytes)
    c.metric("Weights in memory", weights, help=f"In {info.dtype}; stored as {info.stored_dtype}.")
    d.metric(f"Free on {info.device}", bytes_in_words(info.free_bytes))


def show_measured(stats: LayerStats, text: Calibration) -> None:
    """What is there, whether it is less than was asked for, and where to go next."""
    size = text_size(text, stats.sequences, stats.tokens)
    words = f"Measured: {stats.num_layers} layers on {size}, in {seconds_in_words(stats.seconds)}. "
    words += "The result is saved and will load at once next time."
    warning = too_little(text, stats.sequences, stats.tokens)
    if warning:
        few = TOO_FEW if stats.sequences < 2 else ""
        st.warning(f"{warning} {few}{words}", icon=":material/warning:")
    else:
        st.success(words, icon=":material/check_circle:")
    drawn = drawn_text()
    if drawn is not None:
        st.caption(origin(drawn))
    next_step("redundancy", "See which layers repeat each other")


st.title("Model")
st.write(
    "Choose a model and a text. LayerScope runs the text through the model once and compares the outputs of all layers."
)
now = session.workspace()
left, right = st.columns(2, gap="large")
with left:
    model = model_form(now.model)
with right:
    calibration = calibration_form(now.calibration)
    wanted = st.checkbox(
        "Also measure RBF CKA (takes longer)", key=session.seed("rbf", bool(now.extras)), help=RBF_HELP
    )
extras = session.EXTRAS if wanted else ()
if (model, calibration, extras) != (now.model, now.calibration, now.extras):
    session.update(model=model, calibration=calibration, extras=extras)
    st.rerun()  # the line above the page names them

if not model.path or not calibration.source:
    st.info("Fill in the model and the text to continue.")
    st.stop()
try:
    show_info(model_info(model))
except UserError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()
spec = session.workspace().measure_spec
job_id = jobs.job_id(spec)
measured = session.stats()
if measured is not None:
    show_measured(measured, calibration)
else:
    text_facts()
if measured is None or not set(extras) <= set(measured.values):
    job = jobs.status(session.store(), job_id)
    running = job is not None and job.state in ("queued", "running")
    label = "Load and measure" if measured is None else "Measure RBF CKA too"
    if st.button(label, type="primary", disabled=running, icon=":material/play_arrow:"):
        jobs.submit(session.store(), spec)
        st.rerun()
    if running:
        watch(job_id, TITLE)
    else:
        job_panel(job_id, TITLE)
