"""Let a method choose: at once from the maps, or by a search that runs as a job; then its plan and how it got there."""

import streamlit as st

from pages._ui import figures
from pages._ui.figures.method_steps import trajectory
from pages._ui.shared.job_panel import asked
from pages._ui.shared.method_form import method_form
from pages._ui.state import session
from prune_core.methods import Measured, Method, Step
from prune_core.pipeline.specs import PlanResult, PlanSpec
from prune_core.schema.errors import UserError
from prune_core.schema.measures import LayerStats
from prune_core.schema.plan import Plan
from prune_core.schema.wording import counted, describe, seconds_in_words


def method_panel(stats: LayerStats) -> None:
    """Choose a method, see its plan, and use it."""
    try:
        method, budget = method_form(stats.num_layers)
        found = _searched(method, budget) if method.needs == "search" else _from_maps(method, budget, stats)
    except UserError as error:
        st.error(str(error), icon=":material/error:")
        return
    if found is not None:
        _show(method, *found)


def _from_maps(method: Method, budget: int | None, stats: LayerStats) -> tuple[Plan, list[Step], str]:
    evidence = Measured(stats.num_layers, stats)
    plan = method.plan(evidence, budget)
    return plan, evidence.steps, "Chosen from the measured maps; no model was run."


def _searched(method: Method, budget: int | None) -> tuple[Plan, list[Step], str] | None:
    """The stored result of this search, or the button that starts it."""
    now = session.workspace()
    spec = PlanSpec(now.model, now.calibration, method, budget)
    st.caption("This method runs the model on the calibration text. Every measurement is kept and never repeated.")
    result = asked(spec, f"Search with {method.label}", f"Searching with {method.label}")
    if not isinstance(result, PlanResult):
        return None
    took = seconds_in_words(result.seconds)
    cost = f"{counted(result.measured, 'plan')} measured, {result.reused:,} already known; it took {took}."
    if not result.measured + result.reused:
        cost = f"No plan had to be measured on its own; it took {took}."
    if budget is None and not result.plan.edits:
        cost += " Nothing passed the threshold: lower it in the settings, or set how many layers to remove."
    return result.plan, list(result.steps), cost


def _show(method: Method, plan: Plan, steps: list[Step], cost: str) -> None:
    strip = figures.layer_strip(plan.num_layers, plan, session.palette())
    st.plotly_chart(strip, theme=None, width="stretch", key="method_strip")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{method.label}: {describe(plan)}**")
        st.button("Use this plan", on_click=session.choose, args=(plan,), type="primary", disabled=not plan.edits)
    st.caption(cost)
    if len(steps) > 1:
        with st.expander(f"All candidates it evaluated ({len(steps)})"):
            _walk(method, steps)


def _walk(method: Method, steps: list[Step]) -> None:
    """Step through the candidates one by one."""
    at = st.slider("Step", 1, len(steps), len(steps), key=f"{method.name}_step_of_{len(steps)}")
    step = steps[at - 1]
    picture = trajectory(steps, method.score, at, session.palette())
    st.plotly_chart(picture, theme=None, width="stretch", key="steps")
    verdict = f"{method.score or 'score'} {step.score:.4f}, {'accepted' if step.accepted else 'not accepted'}"
    st.markdown(f"Step {at}: **{describe(step.plan)}**, {verdict}. {step.note}")
    strip = figures.layer_strip(step.plan.num_layers, step.plan, session.palette())
    st.plotly_chart(strip, theme=None, width="stretch", key="step_strip")
