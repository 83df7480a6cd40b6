"""The groups that sliding layer merging (SLM) finds: runs of layers with similar outputs, each merged into one."""

import streamlit as st

from pages._ui.shared.job_panel import asked
from pages._ui.shared.method_form import budget_form, settings_form
from pages._ui.shared.paper_links import linked
from pages._ui.state import session
from prune_core.methods.slm import SlidingLayerMerging
from prune_core.pipeline.specs import PlanResult, PlanSpec
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Block, Merge, Plan
from prune_core.schema.wording import counted, ranges

ON_MAPS = ("cka", "cka_rbf")
"""The SLM paper shows its groups on CKA maps: the families of measures."""


def groups_tool(num_layers: int) -> list[Block]:
    """Outline what SLM merges with the settings here, shared with the Plan page; its search runs on request."""
    if not st.toggle("Outline the groups found by sliding layer merging (SLM)", key=session.seed("groups_on", False)):
        return []
    try:
        with st.expander("Sliding layer merging settings"):
            budget = budget_form(SlidingLayerMerging, num_layers)
            method = settings_form(SlidingLayerMerging, budget, columns=2)
    except UserError as error:
        st.error(str(error), icon=":material/error:")
        return []
    now = session.workspace()
    spec = PlanSpec(now.model, now.calibration, method, budget)
    result = asked(spec, "Find the groups with SLM", "Sliding layer merging")
    source = f"Sliding layer merging, {linked(SlidingLayerMerging.source)}"
    if not isinstance(result, PlanResult):
        st.caption(f"{source}, grows windows of layers, trying each on the model itself; its windows are the groups.")
        return []
    found = windows(result.plan)
    layers = "; ".join(f"layers {ranges(window.layers)}" for window in found) or "none"
    st.caption(
        f"{source}: {_conditions(method, budget)}, on {counted(method.samples, 'text')}. Groups: {layers}. "
        "Each outline encloses the outputs of the layers merged into one."
    )
    return [Block(window.start + 1, window.stop) for window in found]


def windows(plan: Plan) -> list[Block]:
    """The layers of each merge, the one that stays included, from the bottom up."""
    merged = [{edit.into, *edit.layers} for edit in plan.edits if isinstance(edit, Merge)]
    return sorted((Block(min(layers), max(layers) + 1) for layers in merged), key=lambda block: block.start)


def _conditions(method: SlidingLayerMerging, budget: int | None) -> str:
    least = "" if method.threshold is None else f"similarity at least {method.threshold:g}"
    most = "" if budget is None else f"{counted(budget, 'layer')} to remove"
    return ", ".join(filter(None, (least, most, f"rule {method.rule}")))
