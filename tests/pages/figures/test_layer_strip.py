"""The strip of layers marks what becomes of each."""

from pages._ui import figures
from pages._ui.shared.theme import LIGHT
from prune_core.schema.plan import Block, Drop, DropPart, Merge, Plan, Replace


def test_the_strip_marks_removed_layers_by_more_than_colour() -> None:
    plan = Plan(8, (Merge(1, (2, 3)), Drop((6,))))
    figure = figures.layer_strip(8, plan)
    squares = figure.data[0]
    assert [layer for layer in range(8) if squares.text[layer] == "✕"] == [2, 3, 6]
    assert [layer for layer in range(8) if squares.marker.pattern.shape[layer]] == [2, 3, 6]
    assert squares.customdata[1] == "absorbs layers 2 to 3"
    assert squares.customdata[2] == "merged into layer 1"
    assert squares.customdata[6] == "dropped"
    (arrow,) = figure.layout.annotations
    assert (arrow.ax, arrow.x) == (3, 1)


def test_the_strip_marks_halves_and_layers_with_new_weights() -> None:
    attention, mlp = DropPart("attention", (1, 4)), DropPart("mlp", (6,))
    plan = Plan(12, (attention, mlp, Replace(Block(8, 10), "linear"), Replace(Block(10, 12), "layer")))
    figure = figures.layer_strip(12, plan)
    squares, halves = figure.data
    crossed = [(x, base) for x, base, text in zip(halves.x, halves.base, halves.text, strict=True) if text == "✕"]
    assert crossed == [(1, 0.0), (4, 0.0), (6, 0.5)]
    assert [shape for shape in halves.marker.pattern.shape if shape] == ["/"] * 3
    assert [text for text in halves.text if text != "✕"] == ["MLP", "MLP", "attn"]
    assert [squares.customdata[layer] for layer in (1, 6)] == ["attention dropped", "MLP dropped"]
    assert squares.customdata[7] == "gets new weights (linear) for layers 8 to 9"
    assert squares.customdata[10] == "gets new weights (layer) for layers 10 to 11"
    assert [layer for layer in range(12) if squares.marker.color[layer] == LIGHT.merged] == [7, 10]
    assert [(arrow.ax, arrow.x) for arrow in figure.layout.annotations] == [(9, 7), (11, 10)]
    assert not figures.layer_strip(4, Plan(4)).data[1].x
