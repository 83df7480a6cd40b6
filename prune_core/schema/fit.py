"""What can replace a block, and how it is fitted. Literal tables and settings; no torch.

The networks themselves are in prune_core/cut/replacements/.
"""

from dataclasses import dataclass
from typing import Literal

Place = Literal["layer before", "first layer", "nowhere"]


@dataclass(frozen=True)
class Network:
    """One way to replace a block: its `name` in a Replace edit, its `label` in a menu, and `words` for a sentence.

    `place` is where it lives in the built model: folded into the "layer before" the block, as the block's "first
    layer", or "nowhere", when no plain transformers model can hold it and it can be previewed only. `trained`: by
    gradient steps; the others are computed in one pass over the calibration text.
    """

    name: str
    label: str
    words: str
    source: str
    what: str
    place: Place
    trained: bool = False


NETWORKS: tuple[Network, ...] = (
    Network(
        "linear",
        "Linear map (ReplaceMe)",
        "a linear map",
        "arXiv 2505.02819",
        "The best linear map of the MLP output below the block, folded into that MLP: no extra parameters.",
        "layer before",
    ),
    Network(
        "layer",
        "One trained layer",
        "one trained layer",
        "arXiv 2403.19135",
        "One transformer layer, initialised from the block's first, trained to do the work of the whole block.",
        "first layer",
        trained=True,
    ),
    Network(
        "swiglu",
        "Gated MLP",
        "a trained gated MLP",
        "arXiv 2403.19135",
        "A trained layer without attention, for families whose MLP is gated (Llama, Qwen, Gemma, Phi-3).",
        "first layer",
        trained=True,
    ),
    Network(
        "ffn",
        "Two-matrix MLP",
        "a trained two-matrix MLP",
        "arXiv 2403.19135",
        "A trained layer without attention, for families whose MLP is two matrices (GPT-2, OPT, GPT-NeoX, BLOOM).",
        "first layer",
        trained=True,
    ),
    Network(
        "linearpatch",
        "LinearPatch",
        "LinearPatch",
        "arXiv 2505.24680",
        "Channels rescaled at the cut, after a Hadamard rotation; preview only, since no plain model can hold it.",
        "nowhere",
    ),
)
"""All networks, in the order that menus show them. "Nothing" is a Drop."""


def place_of(name: str) -> Place | None:
    """Where the network called `name` lives in a built model; None if there is no such network."""
    return next((network.place for network in NETWORKS if network.name == name), None)


def in_words(name: str) -> str:
    """The network called `name` for a sentence; its name unchanged if there is no such network."""
    return next((network.words for network in NETWORKS if network.name == name), name)


def trained(name: str) -> bool:
    """Whether the network called `name` is trained step by step, so that its fit is slow and has a curve."""
    return any(network.name == name and network.trained for network in NETWORKS)


def changed_layer(name: str, start: int) -> tuple[int, ...]:
    """The layer that stays and gets new weights when the network `name` replaces a block from `start` on, if any."""
    layer = {"layer before": start - 1, "first layer": start}.get(place_of(name) or "nowhere", -1)
    return (layer,) if layer >= 0 else ()


@dataclass(frozen=True)
class Fit:
    """How a network is fitted. Linear maps use `ridge`, `held_back`, `batch` and `seed`, LinearPatch nothing, and
    trained networks all but `ridge`.

    ridge: what is added to the diagonal of a linear map's normal equations, relative to its mean; it regularises the
        map towards the identity, which is what dropping the block amounts to. None tries several, the plain cut among
        them, and takes the one with the lowest next-token loss on held-back text.
    steps, batch: optimiser steps, and sequences in each. first_rate, last_rate: the learning rate falls from one to the
        other along a half cosine, after rising from 0 during the first `warmup` share of the steps.
    weight_decay, clip: of AdamW, and the largest norm of a gradient.
    held_back: share of the sequences held back for validation; the weights that do best on them are kept.
    lm_weight: weight of the next-token loss in the training loss; the rest is the squared error of the hidden state.
    seed: decides which sequences are held back, and the order of the others.
    """

    ridge: float | None = None
    steps: int = 400
    batch: int = 8
    first_rate: float = 2e-4
    last_rate: float = 5e-5
    warmup: float = 0.03
    weight_decay: float = 1e-3
    clip: float = 5.0
    held_back: float = 0.125
    lm_weight: float = 0.0
    seed: int = 0
