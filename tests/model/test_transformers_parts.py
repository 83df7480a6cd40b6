"""What transformers' private parts do for us, under their public names. tests/test_library_parts.py has the rest."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from prune_core.model import transformers_parts
from prune_core.schema.errors import Cancelled
from prune_core.schema.progress import Silent
from tests.fixtures.tiny import tiny_config, tiny_model


class Ticks(Silent):
    def __init__(self, stop_after: int | None = None) -> None:
        self.stages: list[tuple[str, int, str]] = []
        self.done, self._stop_after = 0, stop_after

    def stage(self, name: str, total: int, unit: str = "steps") -> None:
        self.stages.append((name, total, unit))

    def advance(self, done: int = 1) -> None:
        self.done += done
        if self._stop_after is not None and self.done >= self._stop_after:
            raise Cancelled


def test_each_tensor_ticks_once_and_the_hook_is_taken_off_again(tmp_path: Path) -> None:
    tiny_model("llama", 2).save_pretrained(tmp_path)
    ticks = Ticks()
    with transformers_parts.weights_ticking(ticks):
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert ticks.stages == [("loading weights", len(loaded.state_dict()), "tensors")]
    assert ticks.done == len(loaded.state_dict())
    AutoModelForCausalLM.from_pretrained(tmp_path)
    assert ticks.done == len(loaded.state_dict())


def test_a_cancelled_load_ends_and_leaves_no_hook(tmp_path: Path) -> None:
    tiny_model("llama", 2).save_pretrained(tmp_path)
    with pytest.raises(Cancelled), transformers_parts.weights_ticking(Ticks(stop_after=2)):
        AutoModelForCausalLM.from_pretrained(tmp_path)
    assert logging.set_tqdm_hook(None) is None


def test_a_config_takes_over_what_was_chosen_at_load() -> None:
    config, new = tiny_config("llama"), tiny_config("llama")
    config._attn_implementation = "eager"
    assert new._attn_implementation != "eager"
    transformers_parts.copy_load_choices(config, new)
    assert new._attn_implementation == "eager"
    assert new._experts_implementation == config._experts_implementation
