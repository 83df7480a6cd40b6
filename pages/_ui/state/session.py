"""What one browser session has chosen: with front_door.py the only file that names session_state keys.

The workspace is also a file of the store, named in the address (?w=...), so that a refresh, a second visit or a restart
finds everything as it was. A session without a name starts from a copy of the last workspace used.
"""

import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import streamlit as st

from pages._ui.shared import follow_theme, theme
from pages._ui.state.front_door import enter_by_the_front_door
from prune_core.pipeline.house import open_store
from prune_core.pipeline.specs import MeasureSpec, PreviewSpec, ReplaceSpec
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.job import Job, Spec
from prune_core.schema.measures import EXTRA_MEASURES, LayerStats
from prune_core.schema.plan import Plan
from prune_core.schema.reports import Preview
from prune_core.schema.run import RunSpec
from prune_core.schema.serial import dumps, from_json
from prune_core.store import jobs
from prune_core.store.files import read_json, write_text
from prune_core.store.store import Store

UNDO_STEPS = 50
EXTRAS = tuple(m.name for m in EXTRA_MEASURES)


@dataclass(frozen=True)
class Workspace:
    """A session's choices. `chosen` and `undo` are per model path: the plan, and what it was before, oldest first.

    `run_id`, `text_id`: the latest run, and the latest job for the user's own prompts. `extras`: names in
    measures.EXTRA_MEASURES to measure too.
    """

    model: ModelRef = field(default_factory=ModelRef)
    calibration: Calibration = field(default_factory=Calibration)
    evaluation: Evaluation = field(default_factory=Evaluation)
    chosen: dict[str, Plan] = field(default_factory=dict)
    undo: dict[str, tuple[Plan, ...]] = field(default_factory=dict)
    run_id: str | None = None
    text_id: str | None = None
    extras: tuple[str, ...] = ()

    @property
    def measure_spec(self) -> MeasureSpec:
        return MeasureSpec(self.model, self.calibration, extras=self.extras)

    def preview_spec(self, plan: Plan) -> PreviewSpec:
        return PreviewSpec(self.model, self.calibration, plan)

    def replace_spec(self, plan: Plan) -> ReplaceSpec:
        return ReplaceSpec(self.model, self.calibration, plan)


def store() -> Store:
    """The one store of this installation."""
    return open_store()


def workspace() -> Workspace:
    """This session's workspace, from memory, else from its file, else a copy of the last one used."""
    enter_by_the_front_door()
    if "workspace" not in st.session_state:
        name = st.query_params.get("w", "")
        found = read_json(_file(name), Workspace) if name.isalnum() else None
        st.session_state["workspace_name"] = name if found else secrets.token_hex(4)
        st.session_state["workspace"] = found or _last_used() or Workspace()
    st.query_params["w"] = st.session_state["workspace_name"]  # a page change drops it from the address
    return st.session_state["workspace"]


def update(**changes) -> None:
    """Change the workspace and save it."""
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
    """Take back the last change to the plan."""
    now = workspace()
    past = now.undo.get(now.model.path, ())
    if past:
        update(chosen=now.chosen | {now.model.path: past[-1]}, undo=now.undo | {now.model.path: past[:-1]})


def can_undo() -> bool:
    return bool(workspace().undo.get(workspace().model.path))


def stats() -> LayerStats | None:
    """What was measured on the current model and text: with the extra measures asked for, else without; None before."""
    now = workspace()
    for extras in dict.fromkeys((now.extras, (), EXTRAS)):
        job_id = jobs.job_id(replace(now, extras=extras).measure_spec)
        if job_id == st.session_state.get("stats_id"):  # it names the content, so what is in memory stays valid
            return st.session_state["stats"]
        result = jobs.finished_result(store(), job_id)
        if isinstance(result, LayerStats):
            st.session_state["stats"], st.session_state["stats_id"] = result, job_id
            return result
    return None


def palette() -> theme.Palette:
    """The colours of this browser's theme."""
    return theme.palette(follow_theme.theme_type())


def seed(key: str, value: object, among: Collection[object] | None = None) -> str:
    """Give the widget `key` its first value, if it has none yet, and return the key.

    A widget that a page change took away gets back what it last had, unless that is no longer `among` what it offers.
    """
    kept = st.session_state.setdefault("kept", {})
    now = st.session_state.get(key, kept.get(key, value))
    if among is not None and now not in among:
        now = value
    if key not in st.session_state or st.session_state[key] != now:  # setting it each time would interrupt typing
        st.session_state[key] = now
    kept[key] = now
    return key


def previews() -> list[Preview]:
    """Every preview that was measured on this model and text: replacements' first, each kind the oldest first."""
    now = workspace()
    about = jobs.subject(now.model, now.calibration)
    return [_preview(text) for kind in ("replace", "preview") for text in jobs.briefs(store(), kind, about)]


@lru_cache(maxsize=4096)
def _preview(text: str) -> Preview:
    """A preview from its JSON; a page asks for all of them at each rerun."""
    return from_json(Preview, json.loads(text))


def ask_live(spec: Spec) -> Job:
    """Ask a question that this session waits for; the one it waited for before is withdrawn, unless it is the same.

    One that failed, or that the user cancelled, is not asked again by a mere rerun of the page.
    """
    job_id, before = jobs.job_id(spec), st.session_state.get("waits_for")
    if before and before != job_id:
        jobs.withdraw(store(), before, st.session_state["workspace_name"])
    st.session_state["waits_for"] = job_id
    job = jobs.status(store(), job_id)
    if job is None or job.withdrawn or job.state not in jobs.FINISHED:
        jobs.submit(store(), spec, asker=st.session_state["workspace_name"])
        job = jobs.status(store(), job_id)
    assert job is not None  # it was asked a moment ago
    return job


def put(key: str, value: object) -> None:
    """Set the widget `key`; in a callback only, before the widget is drawn."""
    st.session_state[key] = st.session_state.setdefault("kept", {})[key] = value


def get(key: str, default: object = None) -> Any:
    """What is kept under `key`: a widget's value, or what `put` set."""
    return st.session_state.get(key, default)


def start_from(spec: RunSpec) -> None:
    """Make a recipe the workspace: its model, texts, plan and evaluation, for the forms of all pages to show."""
    st.session_state["kept"] = {}  # the forms' last values
    update(model=spec.model, calibration=spec.calibration, evaluation=spec.evaluation)
    choose(spec.plan)


def remember_comparison(names: tuple[str, ...], budget: int) -> None:
    """Remember which methods the user compares, at which budget."""
    st.session_state["comparison"] = (names, budget)


def comparison() -> tuple[tuple[str, ...], int] | None:
    """What `remember_comparison` last got."""
    return st.session_state.get("comparison")


def _file(name: str):
    return store().home / "workspaces" / f"{name}.json"


def _last_used() -> Workspace | None:
    files = sorted((store().home / "workspaces").glob("[!.]*.json"), key=lambda file: file.stat().st_mtime_ns)
    return read_json(files[-1], Workspace) if files else None
