"""Every private or undocumented part of transformers that is used here, under a public name.

A new transformers may change any of these without notice; tests/test_library_parts.py says which, and this is the file
to mend. No other file may name them:

- transformers.models.auto: `CONFIG_MAPPING`, `MODEL_FOR_CAUSAL_LM_MAPPING`, `MODEL_FOR_CAUSAL_LM_MAPPING_NAMES`
- transformers.initialization.no_init_weights: models made without random weights
- transformers.pytorch_utils.Conv1D: GPT-2's linear map, whose weight is [in, out]
- transformers.utils.logging: `set_tqdm_hook`, `EmptyTqdm`, and "Loading weights", what the bar of weights is called
- of configs: `_attn_implementation` and `_experts_implementation`, what was chosen when the model was loaded
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers import PretrainedConfig
from transformers.initialization import no_init_weights
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging

from prune_core.schema.progress import Progress

__all__ = [
    "CONFIG_MAPPING",
    "MODEL_FOR_CAUSAL_LM_MAPPING",
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "Conv1D",
    "copy_load_choices",
    "no_init_weights",
    "weights_ticking",
]

WEIGHTS_BAR = "Loading weights"


def copy_load_choices(config: PretrainedConfig, new: PretrainedConfig) -> None:
    """Give `new` what was chosen for `config` at load time, which no file holds: how attention and experts are run."""
    new._attn_implementation = config._attn_implementation
    new._experts_implementation = config._experts_implementation


@contextmanager
def weights_ticking(progress: Progress) -> Iterator[None]:
    """Tell `progress` each tensor that transformers reads, by its hook for progress bars."""

    def ticking(factory: Callable[..., Any], args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        if not args or settings.get("desc") != WEIGHTS_BAR:
            return logging.EmptyTqdm(*args, **settings)
        return _ticks(args[0], progress)

    before = logging.set_tqdm_hook(ticking)
    try:
        yield
    finally:
        logging.set_tqdm_hook(before)


def _ticks(items: Any, progress: Progress) -> Iterator[Any]:
    progress.stage("loading weights", len(items), "tensors")
    for item in items:
        yield item
        progress.advance()
