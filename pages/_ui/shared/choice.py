"""The selected layers, as several pages show them: in words, with undo and clear, and the effect on the loss."""

import math

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages._ui.map.picking import after_click
from pages._ui.shared.fit_view import how_it_went, replaced_preview
from pages._ui.shared.job_panel import bar, job_panel, so_far, try_again
from pages._ui.shared.next_step import next_step
from pages._ui.state import session
from prune_core.schema.errors import UserError
from prune_core.schema.measures import LayerStats
from prune_core.schema.plan import Block, Drop, Plan, Replace
from prune_core.schema.reports import Preview
from prune_core.schema.wording import capitalised, describe
from prune_core.store import jobs

MAP_PX, SIDE_PX = 740, 420
TITLE = "Measuring the loss"
LOOK_S = 0.25
"""How often the estimate of a cut is drawn again."""


def need_stats() -> LayerStats:
    """The measured maps, or a pointer to the page that makes them."""
    stats = session.stats()
    if stats is None:
        st.info("Nothing has been measured yet for this model and text.", icon=":material/info:")
        next_step("model", "Choose a model and measure its layers")
        st.stop()
    return stats


def add_or_replace(block: Block, num_layers: int, adds: bool) -> None:
    """What a click on `block` does: select it alone, or add it. A second click deselects it."""
    before = session.plan(num_layers)
    try:
        after = after_click(before, block, adds)
    except UserError as error:
        st.toast(str(error), icon=":material/block:")
        return
    given_up = [edit for edit in before.edits if not isinstance(edit, Drop) and edit not in after.edits]
    if adds and given_up:
        st.toast("Edits touching these layers are plain drops now; Undo restores them.", icon=":material/content_cut:")
    session.choose(after)


def map_and_side() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Room for a map and for what belongs to it: beside it if the window is wide enough, else below."""
    row = st.container(horizontal=True, gap="large")
    return row.container(width=MAP_PX), row.container(width=SIDE_PX)


def choice_bar(plan: Plan) -> None:
    """The plan in words, with Undo and Clear."""
    with st.container(horizontal=True, vertical_alignment="center"):
        words = describe(plan)
        st.markdown(f"**{capitalised(words)}**" if plan.edits else "**Nothing selected yet**")
        st.button("Undo", on_click=session.undo, disabled=not session.can_undo(), icon=":material/undo:")
        nothing, keep_all = not plan.edits, (Plan(plan.num_layers),)
        st.button("Clear", on_click=session.choose, args=keep_all, disabled=nothing, icon=":material/close:")


def preview_numbers(plan: Plan, curve: bool = False) -> Preview | None:
    """The loss with the plan, measured by hooks on the loaded model; None while there is nothing to show.

    `curve`: open the training curves at once, if the plan has trained networks.
    """
    if not plan.edits:
        st.caption("Choose layers to see at once what cutting them costs.")
        return None
    replaces = any(isinstance(edit, Replace) for edit in plan.edits)
    seen = replaced_preview(plan) if replaces else _live_preview(plan)
    if seen is not None:
        _numbers(seen)
    if replaces:
        how_it_went(plan, curve)
    return seen


def _live_preview(plan: Plan) -> Preview | None:
    """The measured preview; before it is there, an estimate that grows in place. The page does not wait for it."""
    spec, store = session.workspace().preview_spec(plan), session.store()
    job = session.ask_live(spec)
    if job.state == "done":
        seen = store.result(job.id)
        return seen if isinstance(seen, Preview) else None
    if job.state in jobs.STOPPED:
        job_panel(job.id, TITLE)
        try_again(spec)
    else:
        st.fragment(_growing, run_every=LOOK_S)(job.id)
    return None


def _growing(job_id: str) -> None:
    store = session.store()
    jobs.tend(store)
    job = jobs.status(store, job_id)
    if job is None or job.state in jobs.FINISHED:
        st.rerun()
        return
    seen = so_far(job_id)
    if isinstance(seen, Preview):
        _numbers(seen)
    bar(job, TITLE)


def _numbers(seen: Preview) -> None:
    loss, perplexity = st.columns(2)
    change = f"{seen.loss - seen.donor_loss:+.3f} ± {seen.delta_stderr:.3f}"
    loss.metric("Loss (nats per token)", f"{seen.loss:.3f}", change, delta_color="inverse")
    ratio = f"{math.exp(seen.loss - seen.donor_loss):.2f} times the donor's"
    perplexity.metric("Perplexity", _perplexity(seen.loss), ratio, delta_color="off", delta_arrow="off")
    on = f"On {seen.tokens:,} tokens"
    if seen.is_estimate:
        on = f"**Estimate** on {seen.tokens:,} of {seen.of_tokens:,} tokens"
    st.caption(
        f"{on} of the calibration text; the uncut model's loss is {seen.donor_loss:.3f}, its perplexity "
        f"{_perplexity(seen.donor_loss)}. ± is one standard error. Measured in {seen.seconds:.2f} s."
    )


def _perplexity(loss: float) -> str:
    return f"{math.exp(loss):,.2f}" if loss < 20 else f"e^{loss:.0f}"
