"""Which model and text one looks at, and what does not belong to them."""

import streamlit as st

from pages._ui.shared.plain import plain
from pages._ui.state import session
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import DEMO_PROMPTS, Evaluation
from prune_core.schema.inputs import ModelRef
from prune_core.schema.run import RunSpec
from prune_core.schema.wording import counted, model_name, text_name


def looked_at() -> None:
    """One line above every page: the model and the text of this workspace, as measured where they are."""
    now = session.workspace()
    try:
        stats = session.stats()
    except UserError:  # kept by another version: the page itself says so, this line does without
        stats = None
    model = plain(model_name(now.model)) if now.model.path else "no model chosen"
    depth = f" ({counted(stats.num_layers, 'layer')})" if stats else ""
    text = plain(text_name(now.calibration, *((stats.sequences, stats.tokens) if stats else ())))
    st.caption(f"LayerScope · {model}{depth} · {text if now.calibration.source else 'no text chosen'}")


def warn_of_another(spec: RunSpec) -> None:
    """Say plainly that a run is of another model, or made with another text, than the workspace has now."""
    now = session.workspace()
    if (spec.model.path, spec.model.revision) != (now.model.path, now.model.revision):
        then, here = plain(model_name(spec.model)), plain(model_name(now.model))
        st.warning(f"This run is of another model, {then}. The model chosen now: {here}.", icon=":material/warning:")
    elif spec.calibration != now.calibration:
        then, here = plain(text_name(spec.calibration)), plain(text_name(now.calibration))
        st.warning(f"This run was made with another text: {then}. The text now: {here}.", icon=":material/warning:")


def of_the_demo(model: ModelRef, now: Evaluation) -> str:
    """What a model that is not the demo would be measured on though it was made for the demo: "text and prompts"."""
    if model.path == "demo":
        return ""
    found = {
        "text": now.heldout.source == "demo",
        "tasks": any(name.startswith("demo_") for name in now.tasks),
        "prompts": not set(now.prompts).isdisjoint(DEMO_PROMPTS),
    }
    *most, last = [name for name, is_demo in found.items() if is_demo] or [""]
    return f"{', '.join(most)} and {last}" if most else last
