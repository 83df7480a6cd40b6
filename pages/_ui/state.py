"""What one browser session has chosen: the only file that names session_state keys.

The workspace is also a file of the store, named in the address (?w=...), so that a refresh, a second visit or a restart
finds everything as it was. A session without a name starts from a copy of the last one used.
"""

import secrets
from dataclasses import dataclass, field, replace

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from pages._ui import follow_theme, theme
from prune_core import jobs
from prune_core.serial import dumps
from prune_core.specs import Evaluation, MeasureSpec, PreviewSpec
from prune_core.store import Store, home, read_json, write_text
from prune_core.types import (
    Calibration,
    LayerStats,
    ModelRef,
    Plan,
    Preview,
)

UNDO_STEPS = 50


@dataclass(frozen=True)
class Workspace:
    """A session's choices. `chosen` and `undo` are per model path: the plan, and what it was before, oldest first."""

    model: ModelRef = field(default_factory=ModelRef)
    calibration: Calibration = field(default_factory=Calibration)
    evaluation: Evaluation = field(default_factory=Evaluation)
    chosen: dict[str, Plan] = field(default_factory=dict)
    undo: dict[str, tuple[Plan, ...]] = field(default_factory=dict)
    run_id: str | None = None

    @property
    def measure_spec(self) -> MeasureSpec:
        return MeasureSpec(self.model, self.calibration)

    def preview_spec(self, plan: Plan) -> PreviewSpec:
        return PreviewSpec(self.model, self.calibration, plan)


def store() -> Store:
    """The one store of this installation."""
    return Store(home())


def workspace() -> Workspace:
    """This session's workspace, from memory, else from its file, else a copy of the last one used."""
    _enter_by_the_front_door()
    if "workspace" not in st.session_state:
        name = st.query_params.get("w", "")
        found = read_json(_file(name), Workspace) if name.isalnum() else None
        st.session_state["workspace_name"] = name if found else secrets.token_hex(4)
        st.session_state["workspace"] = found or _last_used() or Workspace()
    st.query_params["w"] = st.session_state["workspace_name"]  # a page change drops it from the address
    return st.session_state["workspace"]


def update(**changes) -> None:
    """Change the workspace and keep it."""
    changed = replace(workspace(), **changes)
    st.session_state["workspace"] = changed
    write_text(_file(st.session_state["workspace_name"]), dumps(changed))


def plan(num_layers: int) -> Plan:
    """The plan chosen for the current model; the empty one before any choice, or when the model's depth changed."""
    now = workspace()
    chosen = now.chosen.get(now.model.path)
    return chosen if chosen is not None and chosen.num_layers == num_layers else Plan(num_layers)


def choose(chosen: Plan) -> None:
    """Make `chosen` the plan for the current model; the old one goes on the undo stack."""
    now, path = workspace(), workspace().model.path
    old = plan(chosen.num_layers)
    if chosen.edits != old.edits:
        past = (*now.undo.get(path, ()), old)[-UNDO_STEPS:]
        update(chosen=now.chosen | {path: chosen}, undo=now.undo | {path: past})


def undo() -> None:
    """Take back the last change of the choice."""
    now = workspace()
    past = now.undo.get(now.model.path, ())
    if past:
        update(chosen=now.chosen | {now.model.path: past[-1]}, undo=now.undo | {now.model.path: past[:-1]})


def can_undo() -> bool:
    return bool(workspace().undo.get(workspace().model.path))


def stats() -> LayerStats | None:
    """What was measured on the current model and text, None before."""
    job_id = jobs.job_id(workspace().measure_spec)  # names the content, so what is in memory under it stays true
    if st.session_state.get("stats_id") != job_id:
        job = store().job(job_id)
        result = store().result(job_id) if job is not None and job.state == "done" else None
        if not isinstance(result, LayerStats):
            return None
        st.session_state["stats"], st.session_state["stats_id"] = result, job_id
    return st.session_state["stats"]


def palette() -> theme.Palette:
    """The colours of the theme that this browser shows."""
    return theme.palette(follow_theme.theme_type())


def seed(key: str, value: object) -> str:
    """Give the widget `key` its first value, if it has none yet, and return the key."""
    st.session_state.setdefault(key, value)
    return key


def previews() -> list[Preview]:
    """Every preview that was measured on the current model and text, oldest first."""
    now, found = workspace(), []
    for job_id in reversed(store().ids("preview")):
        spec = store().spec(job_id)
        same = isinstance(spec, PreviewSpec) and (spec.model, spec.calibration) == (now.model, now.calibration)
        result = store().result(job_id) if same else None
        if isinstance(result, Preview):
            found.append(result)
    return found


def put(key: str, value: object) -> None:
    """Set the widget `key`; in a callback only, before the widget is drawn."""
    st.session_state[key] = value


def remember_comparison(names: tuple[str, ...], budget: int) -> None:
    """Which methods were asked to be compared, at which budget."""
    st.session_state["comparison"] = (names, budget)


def comparison() -> tuple[tuple[str, ...], int] | None:
    """What `remember_comparison` was last told."""
    return st.session_state.get("comparison")


def _enter_by_the_front_door() -> None:
    """Until app.py has run once, Streamlit makes its own navigation from the folder pages/: go by app.py instead."""
    if PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False  # what st.navigation does; there is no public way to say it sooner
        st.rerun()


def _file(name: str):
    return store().home / "workspaces" / f"{name}.json"


def _last_used() -> Workspace | None:
    files = sorted((store().home / "workspaces").glob("[!.]*.json"), key=lambda file: file.stat().st_mtime_ns)
    return read_json(files[-1], Workspace) if files else None
