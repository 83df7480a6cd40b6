"""Pictures say what the results say; they are drawn without streamlit; colours are those of the app's theme."""

import dataclasses
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from pages._ui import figures
from pages._ui.figures.method_strips import strips
from pages._ui.figures.numbers import change, label_of
from pages._ui.figures.similarity_map import outline
from pages._ui.shared.theme import DARK, LIGHT, Palette, palette
from prune_core.schema.plan import Block, Drop, DropPart, Merge, Plan, Replace, drop_plan
from prune_core.schema.reports import Metric, Preview, Report
from tests.pages.synthetic import synthetic

ROOT = Path(__file__).parents[2]
STATS = synthetic(17)


def test_figures_need_no_streamlit_and_no_torch() -> None:
    code = "import sys, pages._ui.figures; print({'streamlit', 'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_theme_file_and_the_palettes_agree() -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    for name, colours in (("light", LIGHT), ("dark", DARK)):
        ours = {
            "primaryColor": colours.primary,
            "backgroundColor": colours.background,
            "secondaryBackgroundColor": colours.panel,
            "textColor": colours.text,
            "borderColor": colours.border,
        }
        assert settings[name] == ours


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=lambda colours: colours.name)
def test_text_and_marks_stand_out_from_the_paper(colours: Palette) -> None:
    """WCAG 2.2: 4.5 to 1 for text, 3 to 1 for marks that carry meaning."""
    for name in ("text", "muted"):
        assert _contrast(getattr(colours, name), colours.background) >= 4.5, name
    for name in ("primary", "removed", "merged", "donor", "pruned"):
        assert _contrast(getattr(colours, name), colours.background) >= 3, name
    assert _contrast(colours.text, colours.panel) >= 4.5


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_palette_of_a_theme() -> None:
    assert palette("dark") is DARK
    assert palette("light") is palette(None) is LIGHT


# --- the map --------------------------------------------------------------------------------------------------------


def test_a_cell_says_states_layers_and_value() -> None:
    text = figures.similarity_map(STATS, "cosine").data[0].text
    value, error = STATS.values["cosine"][9, 13], STATS.stderrs["cosine"][9, 13]
    said = f"states 9 → 13<br>drop layers 9 to 12 (4 of 16)<br>cosine similarity {value:.3f} ± {error:.3f}"
    assert text[9][13] == text[13][9] == said
    assert "drop layer 3 (1 of 16)" in text[3][4]
    assert "at least one must stay" in text[0][16]
    assert "choose a cell off the diagonal" in text[5][5]


def test_an_unknown_error_is_not_made_up() -> None:
    unknown = dataclasses.replace(STATS, stderrs=STATS.stderrs | {"cka": np.full((17, 17), np.nan)})
    assert "±" not in figures.similarity_map(unknown, "cka").data[0].text[2][5]


@pytest.mark.parametrize(
    ("name", "reverse", "arrow"), [("cosine", False, "↑"), ("angular", True, "↓"), ("cka", False, "↑")]
)
def test_the_alike_end_is_yellow_and_named(name: str, reverse: bool, arrow: str) -> None:
    heat = figures.similarity_map(STATS, name, DARK).data[0]
    assert heat.reversescale is reverse
    assert heat.colorscale[-1][1].lower() == "#fde725"
    assert heat.colorbar.title.text.endswith(f"more alike {arrow}")
    assert np.allclose(heat.z, STATS.values[name], atol=1e-6)


@pytest.mark.parametrize("states", [6, 17, 33, 82])
def test_axes_are_alike_with_state_0_at_the_top_left(states: int) -> None:
    layout = figures.similarity_map(synthetic(states), "cosine").layout
    assert layout.xaxis.tickvals == layout.yaxis.tickvals
    assert len(layout.xaxis.tickvals) <= 18
    assert layout.xaxis.range == (-0.5, states - 0.5)
    assert layout.yaxis.range == (states - 0.5, -0.5)


def test_the_outline_goes_round_the_cells_in_straight_runs() -> None:
    mask = np.zeros((4, 4), dtype=bool)
    mask[0:2, 1:3] = True
    assert set(outline(mask).split("M")[1:]) == {
        "0.5,-0.5L2.5,-0.5",
        "0.5,1.5L2.5,1.5",
        "0.5,-0.5L0.5,1.5",
        "2.5,-0.5L2.5,1.5",
    }
    assert outline(np.zeros((3, 3), dtype=bool)) == ""


def test_passing_cells_are_outlined_with_a_dark_edge_and_the_diagonal_alone_is_not() -> None:
    assert figures.passing_shapes(None) == []
    assert figures.passing_shapes(np.eye(5, dtype=bool)) == []
    edge, line = figures.passing_shapes(STATS.values["cosine"] > 0.9)
    assert edge["path"] == line["path"]
    assert edge["fillcolor"] == line["fillcolor"] == "rgba(0,0,0,0)"


def test_a_chosen_block_is_its_square_and_its_two_cells() -> None:
    shapes = figures.chosen_shapes([Block(9, 13), Block(2, 3)], 17)
    assert len(shapes) == 12
    figure = go.Figure(layout={"shapes": shapes[:6]})
    middles = {((s.x0 + s.x1) / 2, (s.y0 + s.y1) / 2) for s in figure.layout.shapes}
    assert middles == {(11, 11), (13, 9), (9, 13)}


# --- layers ---------------------------------------------------------------------------------------------------------


def test_block_influence_and_its_error_are_those_of_neighbouring_states() -> None:
    bars = figures.block_influence(STATS, marked=(4, 5)).data[0]
    neighbours = [(layer, layer + 1) for layer in range(16)]
    assert np.allclose(bars.y, [1 - STATS.values["cosine"][cell] for cell in neighbours])
    assert np.allclose(bars.error_y.array, [STATS.stderrs["cosine"][cell] for cell in neighbours])
    assert [layer for layer, shape in enumerate(bars.marker.pattern.shape) if shape] == [4, 5]


def test_best_blocks_are_labelled_by_their_layers() -> None:
    line = figures.best_blocks(STATS, "angular").data[0]
    assert list(line.x) == list(range(1, 16))
    for size, value, words in zip(line.x, line.y, line.customdata, strict=True):
        assert value == pytest.approx(np.diagonal(STATS.values["angular"], offset=size).min())
        assert f"({size} of 16)" in words
    assert line.text[2] == line.customdata[2].split("layers ")[1].split(" (")[0].replace(" to ", "–")


def test_the_strip_marks_removed_layers_by_more_than_colour() -> None:
    plan = Plan(8, (Merge(1, (2, 3)), Drop((6,))))
    figure = figures.layer_strip(8, plan)
    squares = figure.data[0]
    assert [layer for layer in range(8) if squares.text[layer] == "✕"] == [2, 3, 6]
    assert [layer for layer in range(8) if squares.marker.pattern.shape[layer]] == [2, 3, 6]
    assert squares.customdata[1] == "takes in layers 2 to 3"
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
    assert squares.customdata[7] == "takes new weights (linear) for layers 8 to 9"
    assert squares.customdata[10] == "takes new weights (layer) for layers 10 to 11"
    assert [layer for layer in range(12) if squares.marker.color[layer] == LIGHT.merged] == [7, 10]
    assert [(arrow.ax, arrow.x) for arrow in figure.layout.annotations] == [(9, 7), (11, 10)]
    assert not figures.layer_strip(4, Plan(4)).data[1].x


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


# --- costs ----------------------------------------------------------------------------------------------------------


def test_the_newest_preview_stands_out_and_says_its_layers() -> None:
    plans = [(2,), (), (2, 5, 6)]
    history = [Preview(drop_plan(8, p), 2.0, 2.0 + 0.1 * len(p), 0.01, 100, 0.1) for p in plans]
    earlier, now = figures.loss_preview(history[:-1], history[-1]).data
    assert list(earlier.x) == [1, 0]
    assert (now.x[0], now.y[0]) == (3, pytest.approx(0.3))
    assert now.text[0].strip() == "2, 5 to 6"
    assert len(figures.loss_preview([], None).data) == 2


def test_a_cut_that_costs_far_more_than_the_others_stands_at_the_upper_edge_with_its_number() -> None:
    history = [Preview(drop_plan(8, [k]), 2.0, 2.0 + cost, 0.01, 100, 0.1) for k, cost in enumerate((0.1, 0.2, 9.0))]
    earlier, now = figures.loss_preview(history, None).data
    assert earlier.y[:2] == pytest.approx((0.1, 0.2)) and 0.2 < earlier.y[2] < 0.3
    assert list(earlier.marker.symbol) == ["circle", "circle", "triangle-up"]
    assert "+9.00" in earlier.text[2] and "+9.000" in earlier.customdata[2]
    assert len(now.x) == 0


def _report(label: str, factor: float) -> Report:
    metrics = (
        Metric("perplexity", "heldout.txt", 5.0 * factor, "", False, 0.1),
        Metric("loss", "heldout.txt", 1.6, "nats/token", False),
        Metric("acc", "demo_facts", 0.9 / factor, "fraction", True, 0.015, 0.25),
        Metric("acc", "demo_skills", 0.8, "fraction", True, 0.01, 0.4, note="mean of 6 tasks"),
        Metric("weights", "", 11.8e6 / factor, "bytes", False),
        Metric(f"{label} only", "", 1.0, "x", True),
    )
    return Report(label, 16, metrics, ())


def test_before_and_after_show_scores_with_chance_and_the_rest_as_ratios() -> None:
    figure = figures.before_after(_report("Donor", 1), _report("Pruned", 2))
    named = {(trace.name, trace.yaxis): trace for trace in figure.data if trace.name}
    assert list(named["chance", "y"].x) == [25, 40]
    assert np.allclose(named["Pruned", "y"].x, [45, 80])
    assert np.allclose(named["Donor", "y"].error_x.array, [1.5, 1.0])
    assert list(named["Pruned", "y2"].y) == ["perplexity ↓", "weights ↓"]
    assert np.allclose(named["Pruned", "y2"].x, [2, 0.5])
    told = [note.text for note in figure.layout.annotations]
    assert told == ["90.0 → 45.0%", "80.0 → 80.0%", "5 → 10", "11.8 → 5.9 MB"]


def test_before_and_after_of_nothing_in_common_is_an_empty_picture() -> None:
    assert len(figures.before_after(Report("a", 2, (), ()), Report("b", 1, (), ())).data) == 0


@pytest.mark.parametrize(
    ("before", "after", "unit", "words"),
    [
        (0.875, 0.5, "fraction", "87.5 → 50.0%"),
        (11.8e6, 9.22e6, "bytes", "11.8 → 9.2 MB"),
        (1.2e6, 9e5, "bytes", "1.2 MB → 900.0 kB"),
        (12340.0, 15795.4, "tokens/s", "12,340 → 15,795 tokens/s"),
        (7.25, 8.5, "", "7.250 → 8.500"),
    ],
)
def test_a_change_says_its_unit_once(before: float, after: float, unit: str, words: str) -> None:
    old, new = (Metric("m", "t", value, unit, True, 0.1) for value in (before, after))
    assert change(old, new) == words


def test_rows_are_named_by_what_tells_them_apart() -> None:
    acc, norm = (Metric(name, "demo_facts", 0.5, "fraction", True) for name in ("acc", "acc_norm"))
    mean = Metric("acc", "demo_skills", 0.5, "fraction", True, note="mean of 6 tasks")
    here, there = (Metric("perplexity", task, 5.0, "", False) for task in ("heldout.txt", "wiki.txt"))
    assert [label_of(m, [acc, mean, here]) for m in (acc, mean, here)] == ["facts", "<b>skills, mean</b>", "perplexity"]
    assert label_of(norm, [acc, norm]) == "facts, acc_norm"
    assert label_of(there, [here, there]) == "perplexity, wiki.txt"
