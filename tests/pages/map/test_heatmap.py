"""From a gesture on the map to a block: the pure part, and the component inside a Streamlit script."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from pages._ui.map.heatmap import block_of, unseen
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Block

APP = Path(__file__).parents[2] / "e2e" / "heatmap_app.py"
LAYERS = 16
sides = some.lists(some.integers(0, LAYERS), min_size=4, max_size=4)


@pytest.mark.parametrize(
    ("rect", "block"),
    [
        ([9, 13, 9, 13], Block(9, 13)),
        ([13, 9, 13, 9], Block(9, 13)),
        ([4, 9, 6, 12], Block(4, 12)),
        ([9, 4, 12, 6], Block(4, 12)),
        ([0, 16, 0, 16], Block(0, 16)),
        ([5, 5, 5, 5], None),
    ],
)
def test_a_rect_is_the_block_that_it_spans(rect: list[int], block: Block | None) -> None:
    assert block_of(rect, LAYERS) == block


@given(sides)
def test_the_block_does_not_depend_on_triangle_or_direction(rect: list[int]) -> None:
    i0, j0, i1, j1 = rect
    found = block_of(rect, LAYERS)
    assert found == block_of([j0, i0, j1, i1], LAYERS) == block_of([i1, j1, i0, j0], LAYERS)
    assert found is None or (0 <= found.start < found.stop <= LAYERS)


@pytest.mark.parametrize("rect", [[0, 17, 0, 17], [-1, 2, 3, 4], [1, 2, 3], [0, 1.5, 2, 3]])
def test_a_rect_outside_the_map_is_refused(rect: list[int]) -> None:
    with pytest.raises(UserError, match="choose states 0 to 16"):
        block_of(rect, LAYERS)


def test_only_new_gestures_of_this_session_count() -> None:
    value = {
        "gestures": [
            {"n": 3, "session": "here", "rect": [1, 2, 1, 2]},
            {"n": 4, "session": "here", "rect": [1, 3, 1, 3]},
            {"n": 5, "session": "before the restart", "clear": True},
            {"n": 6, "clear": True},
        ]
    }
    assert [g["n"] for g in unseen(value, {"session": "here", "seen": 3})] == [4, 6]
    assert unseen(None, {"session": "here", "seen": 0}) == []
    assert unseen({"gestures": None}, {"session": "here", "seen": 0}) == []


def test_the_map_runs_in_a_script_and_delivers_once() -> None:
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    assert not app.exception
    app.session_state["map"] = {"gestures": [{"n": 1, "rect": [2, 5, 2, 5]}, {"n": 2, "rect": [7, 9, 7, 9]}]}
    app.run()
    app.run()
    assert not app.exception
    assert app.session_state["calls"] == ["[2, 5)", "[7, 9)"]
    app.session_state["map"] = {"gestures": [{"n": 3, "clear": True}]}
    app.run()
    assert app.session_state["chosen"] == []
