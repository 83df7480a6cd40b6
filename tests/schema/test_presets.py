"""Settings that papers use, by name: tasks, windows, and calibration texts, which leave your own text in place."""

import json

import pytest

from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import Calibration, HeldOut
from prune_core.schema.presets import (
    CALIBRATION_PRESETS,
    TASK_PRESETS,
    WINDOW_PRESETS,
    calibration_preset,
    task_preset,
    window_preset,
    with_calibration,
    with_tasks,
    with_windows,
)

NAMES = [preset.name for preset in CALIBRATION_PRESETS]


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_brings_its_dataset_and_is_known_again(name: str) -> None:
    filled = with_calibration(Calibration(seed=7), name)
    found = calibration_preset(filled)
    assert found is not None and found.name in (name, "sleb", "slm", "shortened-llama")  # some differ by seed only
    preset = next(preset for preset in CALIBRATION_PRESETS if preset.name == name)
    assert (filled.source, filled.samples, filled.seq_len) == (preset.dataset, preset.samples, preset.seq_len)
    assert filled.laid_out == preset.layout
    assert with_calibration(filled, "sleb") == with_calibration(Calibration(seed=filled.seed), "sleb")


def test_the_slm_preset_is_the_papers() -> None:
    slm = with_calibration(Calibration(), "slm")
    assert (slm.layout, slm.samples, slm.seq_len, slm.seed) == ("spans", 10, 128, 1234)


def test_a_text_of_ones_own_stays_and_gets_the_shape() -> None:
    mine = Calibration("mine.jsonl", column="body", seed=3, joined_by="eos")
    filled = with_calibration(mine, "sleb")
    assert filled == Calibration("mine.jsonl", None, "train", "body", 128, 2048, 3, "packed", "eos")
    assert not with_calibration(mine, "replaceme").chat
    assert with_calibration(Calibration(), "replaceme").chat
    assert calibration_preset(filled) is None
    with pytest.raises(UserError, match="There is no preset 'none': choose one of slm"):
        with_calibration(mine, "none")


def test_files_without_layouts_mean_what_they_meant() -> None:
    def older(source: str) -> Calibration:
        kept = {"type": "Calibration", "source": source, "subset": None, "split": "train", "column": "text"}
        return serial.from_json(Calibration, kept | {"samples": 8, "seq_len": 64, "seed": 0})

    assert older("demo") == Calibration(samples=8, seq_len=64)
    assert older("a.jsonl") == Calibration("a.jsonl", samples=8, seq_len=64)
    assert older("a.txt") == Calibration("a.txt", samples=8, seq_len=64, layout="documents")
    assert all(older(source).laid_out == "documents" for source in ("demo", "a.txt", "owner/data", "a.csv"))
    for now in (Calibration("a.txt"), Calibration("a.txt", layout="spans", chat=True, joined_by="blank line")):
        assert serial.from_json(Calibration, json.loads(serial.dumps(now))) == now


def test_presets_set_what_they_say_and_are_recognised():
    assert task_preset(Evaluation()).name == "demo-skills"
    assert window_preset(HeldOut()).name == "demo"
    for preset in TASK_PRESETS:
        assert task_preset(with_tasks(Evaluation(task_limit=7), preset.name)) == preset
    for preset in WINDOW_PRESETS:
        found = with_windows(HeldOut("some.txt"), preset.name)
        assert (found.context, found.stride, found.joined) == (preset.context, preset.stride, preset.joined)
        assert window_preset(found) == preset
    assert task_preset(Evaluation(tasks=("boolq",))) is None
    assert len(with_tasks(Evaluation(), "zero-shot").tasks) == 7
    with pytest.raises(UserError, match="choose one of demo-skills, zero-shot, mmlu"):
        with_tasks(Evaluation(), "glue")
