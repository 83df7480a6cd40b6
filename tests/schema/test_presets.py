"""Settings that papers use, by name."""

import pytest

from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import HeldOut
from prune_core.schema.presets import TASK_PRESETS, WINDOW_PRESETS, task_preset, window_preset, with_tasks, with_windows


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
