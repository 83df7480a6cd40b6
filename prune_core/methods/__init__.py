"""How layers are chosen: one small file per method, all listed here. base.py defines what a method is."""

from typing import TYPE_CHECKING, Union

from prune_core.methods.base import Evidence, Measured, Method, Step
from prune_core.methods.baselines import EvenlySpaced, LastLayers, RandomLayers
from prune_core.methods.blockpruner import BlockPruner
from prune_core.methods.blocks import AlikeBlock, BlockDistance, DeepestLayers, Streamline
from prune_core.methods.evopress import EvoPress
from prune_core.methods.laco import LaCo
from prune_core.methods.llm_drop import LLMDrop
from prune_core.methods.settings import Setting, from_words, settings_of, with_words
from prune_core.methods.shortened_llama import ShortenedLoss, ShortenedTaylor
from prune_core.methods.shortgpt import ShortGPT
from prune_core.methods.sleb import SLEB
from prune_core.methods.slm import SlidingLayerMerging
from prune_core.schema.errors import UserError

METHODS: tuple[type[Method], ...] = (
    ShortGPT,
    BlockDistance,
    Streamline,
    AlikeBlock,
    DeepestLayers,
    LaCo,
    SlidingLayerMerging,
    SLEB,
    ShortenedTaylor,
    ShortenedLoss,
    EvoPress,
    BlockPruner,
    LLMDrop,
    LastLayers,
    EvenlySpaced,
    RandomLayers,
)
"""All methods, in the order that menus show them."""

if TYPE_CHECKING:
    AnyMethod = Method
else:
    AnyMethod = Union[METHODS]  # noqa: UP007  # built from a tuple; JSON tells them apart by class name

__all__ = [
    "METHODS", "AnyMethod", "Evidence", "Measured", "Method", "Setting", "Step",
    "from_words", "method_named", "settings_of", "with_words",
]  # fmt: skip


def method_named(name: str) -> Method:
    """The method called `name`, with its default settings. UserError if there is none."""
    for method in METHODS:
        if method.name == name:
            return method()
    raise UserError(f"There is no method '{name}': choose one of {', '.join(method.name for method in METHODS)}.")
