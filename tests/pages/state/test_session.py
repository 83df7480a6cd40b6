"""What a session has chosen, with undo: held against a plain list of plans."""

import random
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages._ui.state.session import UNDO_STEPS, Workspace
from prune_core.schema.plan import drop_plan
from prune_core.store.files import read_json

LAYERS = 16


def script() -> None:
    import streamlit as st

    from pages._ui.state import session
    from prune_core.schema.plan import drop_plan

    for layers in st.session_state["asked"]:
        if layers is None:
            session.undo()
        else:
            session.choose(drop_plan(16, layers))
    st.session_state["now"] = session.plan(16), session.can_undo(), session.plan(12).edits


def test_undo_takes_back_what_a_list_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path))
    rng = random.Random(0)
    asked = [None if rng.random() < 0.3 else [rng.randrange(LAYERS)] for _ in range(200)] + [[1], [2]] * UNDO_STEPS
    past, now = [], ()
    for layers in asked:
        if layers is None:
            now = past.pop() if past else now
        elif drop_plan(LAYERS, layers).edits != now:
            past = [*past, now][-UNDO_STEPS:]
            now = drop_plan(LAYERS, layers).edits
    app = AppTest.from_function(script, default_timeout=60)
    app.session_state["entered"], app.session_state["asked"] = True, asked
    app.run()
    assert not app.exception
    plan, can_undo, other_depth = app.session_state["now"]
    assert plan.edits == now and can_undo and other_depth == ()
    (file,) = (tmp_path / "workspaces").glob("[!.]*.json")
    kept = read_json(file, Workspace)
    assert [each.edits for each in kept.undo["demo"]] == past and len(past) == UNDO_STEPS
