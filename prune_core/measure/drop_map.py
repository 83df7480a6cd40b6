"""The exact drop map: the measured loss, and KL to the donor, without every contiguous block of layers.

Dropping block [i, j) feeds the donor's state i to layer j. So one pass keeps the donor's states, and every
block runs only the layers above it: L (L^2 - 1) / 6 layer runs, half of what running each pruned model in full takes. A
few sequences at a time go through all blocks, so that memory stays small, activations stay in the processor's cache,
and the map is complete, if noisy, after the first of them.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from prune_core.data.batches import Batch, padded, sequences, shortest_first
from prune_core.forward.layer_runs import record
from prune_core.forward.losses import against_donor, donor_predictions
from prune_core.schema.drop_map import DropMap, block_cells, real_blocks
from prune_core.schema.errors import UserError
from prune_core.schema.progress import Progress, Silent

CPU_TOKENS, GPU_TOKENS = 512, 8192
"""At most this many tokens go through the layers together: few on a CPU, so that activations stay in its cache."""

CHUNK_VALUES = 2**27
"""At most this many values of the donor's probabilities are kept (512 MiB), unless one sequence alone has more."""

CHUNKS = 4
"""Even a short text is split into this many chunks, so that a first map is there early."""


def measure_drops(
    model: PreTrainedModel,
    batches: Sequence[Batch],
    progress: Progress | None = None,
    start: DropMap | None = None,
    keep: Callable[[DropMap], None] = lambda drops: None,
) -> DropMap:
    """The drop map over the sequences of `batches` (right padding), regrouped into chunks that go through together.

    `keep` is called with the map so far after each chunk; `start` is such a map over the same text, to resume from.
    Results do not depend on batches and chunks. Log likelihoods are float32, sums float64. A block whose loss overflows
    is NaN. Raises UserError where the donor's own loss is not finite.
    """
    progress = progress or Silent()
    texts = sequences(batches)
    drops = start or _empty(model.config.get_text_config().num_hidden_layers, len(texts))
    chunks = _chunks(texts, set(drops.places.tolist()), _most_tokens(model, texts))
    progress.stage("dropping every block", len(chunks) * layer_runs(drops.num_layers), "layer runs")
    for chunk in chunks:
        begun = time.monotonic()
        batch = padded([texts[place] for place in chunk])
        nll, kl, donor_nll, tokens = _chunk_damage(model, batch, progress)
        drops = replace(
            drops,
            places=np.concatenate([drops.places, chunk]),
            nll=np.concatenate([drops.nll, nll]),
            kl=np.concatenate([drops.kl, kl]),
            donor_nll=np.concatenate([drops.donor_nll, donor_nll]),
            tokens=np.concatenate([drops.tokens, tokens]),
            seconds=drops.seconds + time.monotonic() - begun,
        )
        keep(drops)
    return _in_order(drops)


def layer_runs(num_layers: int) -> int:
    """Layers run for all blocks but the whole model, and the head once for each, counted as a layer."""
    _, stops = block_cells(num_layers)
    return int((num_layers - stops + 1)[real_blocks(num_layers)].sum())


def _empty(num_layers: int, planned: int) -> DropMap:
    none, no_tokens = np.zeros((0, num_layers * (num_layers + 1) // 2)), np.zeros(0, dtype=np.int64)
    return DropMap(num_layers, no_tokens, none, none, np.zeros(0), no_tokens, planned)


def _in_order(drops: DropMap) -> DropMap:
    """The same map with the rows of its arrays in the order of the text."""
    rows = np.argsort(drops.places)
    arrays = {name: getattr(drops, name)[rows] for name in ("places", "nll", "kl", "donor_nll", "tokens")}
    return replace(drops, **arrays)


# --- chunks -----------------------------------------------------------------------------------------------------------


def _most_tokens(model: PreTrainedModel, texts: list[Tensor]) -> int:
    """How many tokens, padding included, a chunk may hold."""
    vocab = model.config.get_text_config().vocab_size
    limit = min(CPU_TOKENS if model.device.type == "cpu" else GPU_TOKENS, CHUNK_VALUES // vocab)
    return min(limit, -(-sum(map(len, texts)) // CHUNKS))


def _chunks(texts: list[Tensor], done: set[int], most: int) -> list[list[int]]:
    """Places of the sequences that are not `done`, in chunks of similar length: at most `most` tokens, or one sequence.

    The chunks are shuffled (always the same way), so that the first maps do not cover only short texts.
    """
    left = [place for place in range(len(texts)) if place not in done]
    chunks = [[left[k] for k in group] for group in shortest_first([len(texts[place]) for place in left], most)]
    return [chunks[k] for k in np.random.default_rng(0).permutation(len(chunks))]


# --- one chunk --------------------------------------------------------------------------------------------------------


def _chunk_damage(
    model: PreTrainedModel, batch: Batch, progress: Progress
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`nll`, `kl` [B, P], `donor_nll`, `tokens` [B] of one chunk, as DropMap has them."""
    with torch.inference_mode():
        recording = record(model, batch.input_ids, batch.attention_mask)
        layers, count = len(recording.layers), len(batch.input_ids)
        logits = recording.logits(recording.states[-1])
        donor, donor_nll = donor_predictions(logits, recording.input_ids, recording.attention_mask)
        if not np.isfinite(donor_nll).all():
            raise UserError(f"The model's own loss is not a finite number in {logits.dtype}: load it in float32.")
        tokens = torch.bincount(donor.rows, minlength=count).cpu().numpy()
        nll, kl = (np.full((count, layers * (layers + 1) // 2), np.nan) for _ in range(2))
        for block, (start, stop) in enumerate(zip(*block_cells(layers), strict=True)):
            if stop - start == layers:
                continue
            states = recording.run(recording.states[start], range(stop, layers))
            nll[:, block], kl[:, block] = against_donor(recording.logits(states), donor)
            progress.advance(int(layers - stop + 1))
    return nll, kl, donor_nll, tokens
