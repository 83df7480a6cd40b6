"""Plans under each other, and how many of them remove each layer."""

from pages._ui.figures.method_strips import strips
from pages._ui.shared.theme import LIGHT
from prune_core.schema.plan import Block, Drop, DropPart, Merge, Plan, Replace


def test_plans_side_by_side_mark_halves_and_layers_that_take_over() -> None:
    plans = {
        "parts": Plan(6, (DropPart("attention", (1,)), Drop((3,)))),
        "merged": Plan(6, (Merge(2, (3,)),)),
        "replaced": Plan(6, (Replace(Block(4, 6), "layer"),)),
    }
    (cells,) = strips(plans).data
    assert list(cells.y) == ["parts", "merged", "replaced", "removed by"]
    assert ["".join(row) or "-" for row in cells.text[:3]] == ["½×", "•×", "•×"]
    assert list(cells.text[3]) == ["", "0.5", "", "2", "", "1"]
    assert cells.customdata[0][1] == "attention dropped" and cells.customdata[3][3] == "2 of 3"
    colours = dict(cells.colorscale[:3])  # the place of whole removals, and up to where their colour reaches
    assert [colours[place] for place in (0, 1 / cells.zmax)] == [LIGHT.kept, LIGHT.removed]
    assert cells.z[0][3] == 1.0 and cells.z[1][2] == cells.zmax and max(cells.z[3]) <= 1.0
