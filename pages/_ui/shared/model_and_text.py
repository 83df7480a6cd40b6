"""Which model and text are in view, and what does not match them."""

import streamlit as st

from pages._ui.shared.plain import plain
from pages._ui.state import session
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import DEMO_PROMPTS, Evaluation
from prune_core.schema.inputs import ModelRef
from prune_core.schema.run import RunSpec
from prune_core.schema.wording import counted, model_name, text_name


def looked_at() -> None:
    """One line above every page: the model and the text of this workspace, with what was measured."""
    now = session.workspace()
    try:
        stats = session.stats()
    except UserError:  # stored by another version: the page itself says so, this line leaves it out
        stats = None
    model = plain(model_name(now.model)) if now.model.path else "no model chosen"
    depth = f" ({counted(stats.num_layers, 'layer')})" if stats else ""
    text = plain(text_name(now.calibration, *((stats.sequences, stats.tokens) if stats else ())))
    st.caption(f"LayerScope · {model}{depth} · {text if now.calibration.source else 'no text chosen'}")


def warn_of_another(spec: RunSpec) -> None:
    """Say plainly that a run used another model or calibration text than the workspace does now."""
    now = session.workspace()
    if (spec.model.path, spec.model.revision) != (now.model.path, now.model.revision):
        then, here = plain(model_name(spec.model)), plain(model_name(now.model))
        st.warning(f"This run is of a different model, {then}. The current model is {here}.", icon=":material/warning:")
    elif spec.calibration != now.calibration:
        then, here = plain(text_name(spec.calibration)), plain(text_name(now.calibration))
        st.warning(f"This run used a different text, {then}. The current text is {here}.", icon=":material/warning:")


def of_the_demo(model: ModelRef, now: Evaluation) -> str:
    """What was made for the demo but would be used to measure another model: "text and prompts"."""
    if model.path == "demo":
        return ""
    found = {
        "text": now.heldout.source == "demo",
        "tasks": any(name.startswith("demo_") for name in now.tasks),
        "prompts": not set(now.prompts).isdisjoint(DEMO_PROMPTS),
    }
    *most, last = [name for name, is_demo in found.items() if is_demo] or [""]
    return f"{', '.join(most)} and {last}" if most else last
