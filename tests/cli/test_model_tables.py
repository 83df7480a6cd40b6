"""How a model, its maps and what cuts cost are printed: units, errors, and what it was measured on."""

import numpy as np
import pytest

from prune_core.cli.model_tables import show_drops, show_info, show_preview, show_sets, show_skills, show_stats
from prune_core.schema.drawn import Drawn
from prune_core.schema.inputs import Calibration, ModelInfo, ModelRef
from prune_core.schema.measures import LayerStats
from prune_core.schema.plan import Block, drop_plan
from prune_core.schema.reports import Preview
from prune_core.schema.skill_words import readings
from prune_core.search.block_sets import Candidate
from tests.fixtures.maps import drop_map_of, skill_map_of

Printed = pytest.CaptureFixture[str]
TEXT = Calibration("some.txt", samples=4, seq_len=16)


def states(layers: int) -> np.ndarray:
    """How far apart any two states are, by their numbers: [L+1, L+1]."""
    return np.abs(np.subtract.outer(np.arange(layers + 1.0), np.arange(layers + 1.0)))


def test_a_model_is_shown_with_its_size_and_what_is_free(capsys: Printed) -> None:
    info = ModelInfo(ModelRef("m"), "llama", 16, 64, 128, 2048, 3_000_000, 12_000_000, "bfloat16", "float32", "cpu", 10)
    show_info(info)
    assert capsys.readouterr().out.splitlines() == [
        "llama: 16 layers, hidden size 64, 3,000,000 parameters",
        "weights 12.0 MB in float32 on cpu, with 10 bytes free; context 2,048 tokens",
    ]


def test_similarities_come_with_their_text_and_the_best_block_of_each_size(capsys: Printed) -> None:
    cosine = 1 - 0.1 * states(4)
    cosine[1, 2] = cosine[2, 1] = 0.99
    errors = np.full((5, 5), 0.0012)
    stats = LayerStats(4, {"cosine": cosine}, {"cosine": errors}, 3, 40, 95.0)
    show_stats(stats, TEXT, Drawn(3, 40, "some.txt", "No token is put before it."))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("4 layers, 1 min 35 s; ") and "3 of 4" in lines[0] and "40 tokens" in lines[0]
    assert lines[1] == "Drawn from some.txt. No token is put before it."
    assert any(line.split() == ["1", "layer", "1", "0.9900", "±", "0.0012"] for line in lines)
    at = next(n for n, line in enumerate(lines) if line.startswith("Block Influence"))
    assert [line.split()[-1] for line in lines[at + 1 :]] == ["0.1000", "0.0100", "0.1000", "0.1000"]


def test_an_unknown_error_is_not_shown(capsys: Printed) -> None:
    stats = LayerStats(2, {"cosine": 1 - states(2) / 4}, {"cosine": np.full((3, 3), np.nan)}, 1, 9)
    show_stats(stats, TEXT, Drawn(1, 9, "some.txt", ""))
    printed = capsys.readouterr().out
    assert "0.7500\n" in printed and "nan" not in printed


def test_a_preview_gives_both_losses_and_their_paired_difference(capsys: Printed) -> None:
    show_preview(Preview(drop_plan(8, (2, 3)), 2.5, 2.75, 0.031, 1234, 1.0))
    assert capsys.readouterr().out.splitlines() == [
        "drop layers 2 to 3 (2 of 8), on 1,234 calibration tokens",
        "loss 2.5000 -> 2.7500 nats/token (+0.2500 ± 0.0310)",
    ]


def test_a_drop_map_shows_the_cheapest_blocks_and_what_predicts_them(capsys: Printed) -> None:
    damage = 0.5 * states(4)
    damage[2, 3] = damage[3, 2] = 0.125
    stats = LayerStats(4, {"cosine": 1 - damage}, {"cosine": np.zeros((5, 5))}, 2, 2)
    show_drops(drop_map_of(damage), stats, TEXT)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:2] == ["loss", "1.0000"]
    assert ["1", "layer", "2", "+0.1250", "±", "0.0000", "1.1250"] in lines
    assert any(line[-2:] == ["+1.000", "+1.000"] and "cosine" in " ".join(line).lower() for line in lines)


def test_skills_are_marked_where_the_change_is_clear_and_then_said(capsys: Printed) -> None:
    good, bad = [1] * 40, [0] * 39 + [1]
    found = skill_map_of([[bad], [good]], [good])
    show_skills(found)
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()]
    assert ["donor", "100.0"] in rows and ["layer", "0", "*-97.5", "±", "2.5"] in rows
    assert ["layer", "1", "+0.0", "±", "0.0"] in rows
    assert printed.endswith("\n".join(readings(found)) + "\n")


def test_sets_of_blocks_show_what_was_added_up_and_what_was_measured(capsys: Printed) -> None:
    show_sets([Candidate((Block(1, 3), Block(6, 7)), 0.25, 0.3125)])
    lines = capsys.readouterr().out.splitlines()
    assert "nats/token" in lines[1]
    assert lines[-1].split() == ["layers", "1", "to", "2,", "6", "+0.2500", "+0.3125"]
