"""Plans that replace blocks: a job fits their networks, with a live curve, and then previews the plan."""

import numpy as np
import streamlit as st

from pages._ui.figures.fit_curves import ridge_curves, training_curves
from pages._ui.shared.job_panel import asked, quick
from pages._ui.state import session
from prune_core.pipeline.specs import ReplaceResult
from prune_core.schema.fit import trained
from prune_core.schema.plan import Plan, Replace
from prune_core.schema.reports import Preview
from prune_core.schema.wording import named
from prune_core.store import jobs


def replaced_preview(plan: Plan) -> Preview | None:
    """The plan's loss once its networks are fitted. Linear maps are fitted at once; training starts on request."""
    spec = session.workspace().replace_spec(plan)
    job_id = jobs.job_id(spec)
    networks = trained_edits(plan)

    def live() -> None:
        so_far = session.store().partial(job_id)
        if isinstance(so_far, ReplaceResult):
            _curves(plan, so_far, key=f"curve_{job_id}")

    if networks:
        many = "networks" if len(networks) > 1 else "network"
        result = asked(spec, f"Train the {many} and measure the loss", "Fitting the replacement", live)
    else:
        job = quick(spec, "Fitting the replacement", live=live)
        result = session.store().result(job.id) if job.state == "done" else None
    if not isinstance(result, ReplaceResult):
        return None
    return result.preview


def how_it_went(plan: Plan, expanded: bool) -> None:
    """The curves of a plan whose networks are fitted; `expanded` shows those of trained ones at once."""
    spec = session.workspace().replace_spec(plan)
    result = jobs.result(session.store(), spec)
    if isinstance(result, ReplaceResult):
        if words := gave_way(plan, result):
            st.info(words, icon=":material/info:")
        with st.expander("How the fit went", expanded=expanded and bool(trained_edits(plan))):
            _curves(plan, result, key=f"curve_{jobs.job_id(spec)}")


def gave_way(plan: Plan, result: ReplaceResult) -> str:
    """Which layers are dropped because no linear map did better than that; empty if there are none."""
    tried = ((edit, result.curves.get(edit.block.key)) for edit in plan.edits if isinstance(edit, Replace))
    dropped = [
        layer
        for edit, curve in tried
        if curve is not None and len(curve) and not trained(edit.by) and np.isinf(curve[np.argmin(curve[:, 2]), 0])
        for layer in edit.block.layers
    ]
    if not dropped:
        return ""
    verb = "are" if len(dropped) > 1 else "is"
    return f"No linear map beat the plain cut, so {named(tuple(dropped))} {verb} simply dropped."


def trained_edits(plan: Plan) -> list[Replace]:
    """The plan's replacements that are trained step by step."""
    return [edit for edit in plan.edits if isinstance(edit, Replace) and trained(edit.by)]


def _curves(plan: Plan, result: ReplaceResult, key: str) -> None:
    """Trained networks over their steps, linear maps over the ridges tried."""
    by_block = {edit.block.key: edit for edit in plan.edits if isinstance(edit, Replace)}
    known = {name: curve for name, curve in result.curves.items() if len(curve) and name in by_block}
    stepwise = {name: curve for name, curve in known.items() if trained(by_block[name].by)}
    ridges = {name: curve for name, curve in known.items() if name not in stepwise}
    if stepwise:
        fit = by_block[next(iter(stepwise))].fit
        picture = training_curves(stepwise, fit, session.palette())
        st.plotly_chart(picture, theme=None, width="stretch", key=f"{key}_steps")
        st.caption(_what_is_lost(fit.lm_weight))
    if ridges:
        picture = ridge_curves(ridges, session.palette())
        st.plotly_chart(picture, theme=None, width="stretch", key=f"{key}_ridges")
        st.caption(
            "A linear map is regularised towards the identity (ridge). Several strengths were tried, the plain cut "
            "among them, and the one with the lowest loss on validation text, not used for fitting, was kept."
        )
    if not known:
        st.caption("No curve: this replacement is computed in one pass.")


def _what_is_lost(lm_weight: float) -> str:
    kept = "The weights that did best on the validation text are kept."
    if lm_weight == 0:
        return (
            "Squared error of the hidden state after the block, relative to the error of dropping the block: "
            f"1 is as bad as dropping it, 0 matches the donor. {kept}"
        )
    return (
        f"{1 - lm_weight:g} × the squared error of the hidden state (1: as bad as dropping the block) + {lm_weight:g} "
        f"× the next-token loss in nats per token. {kept}"
    )
