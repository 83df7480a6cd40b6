"""The exact drop map: the measured loss, and KL to the donor, without every contiguous block of layers.

Dropping block [i, j) is taking the donor's state i on to layer j. So one pass keeps the donor's states, and every
block runs only the layers above it: L (L^2 - 1) / 6 layer runs, half of what running each pruned model anew takes. A
few sequences at a time go through all blocks, so that memory stays small, activations stay in the processor's cache,
and the map is complete, only noisy, after the first of them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from prune_core.capture import Batch
from prune_core.damage import DropMap, block_cells, real_blocks
from prune_core.layer_runs import Recording, record
from prune_core.types import Progress, Silent, UserError

CPU_TOKENS, GPU_TOKENS = 512, 8192
"""Tokens that go through the layers together, at most: on a CPU few, so that activations stay in its cache."""

CHUNK_VALUES = 2**27
"""At most so many values of the donor's probabilities are kept (512 MiB), unless one sequence alone has more."""

CHUNKS = 4
"""A short text goes through in this many chunks still, so that a first map is there early."""

PIECE_VALUES = 2**21
"""Logits that are normalised at a time."""


def measure_drops(
    model: PreTrainedModel,
    batches: Sequence[Batch],
    progress: Progress | None = None,
    start: DropMap | None = None,
    keep: Callable[[DropMap], None] = lambda drops: None,
) -> DropMap:
    """The drop map over the sequences of `batches` (right padding), regrouped into chunks that go through together.

    `keep` is called with the map so far after each chunk; `start` is such a map over the same text, gone on with.
    Results do not depend on batches and chunks. Log likelihoods are float32, sums float64. A block whose loss overflows
    is NaN. Raises UserError where the donor's own loss is not finite.
    """
    progress = progress or Silent()
    sequences = _sequences(batches)
    drops = start or _empty(model.config.get_text_config().num_hidden_layers, len(sequences))
    chunks = _chunks(sequences, set(drops.places.tolist()), _most_tokens(model, sequences))
    progress.stage("dropping every block", len(chunks) * layer_runs(drops.num_layers), "layer runs")
    for chunk in chunks:
        begun = time.monotonic()
        batch = _padded([sequences[place] for place in chunk])
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


def _sequences(batches: Sequence[Batch]) -> list[Tensor]:
    """Every sequence by itself, int64 [T] each, without its padding."""
    return [
        ids[: int(mask.sum())]
        for batch in batches
        for ids, mask in zip(batch.input_ids, batch.attention_mask, strict=True)
    ]


def _most_tokens(model: PreTrainedModel, sequences: list[Tensor]) -> int:
    """How many tokens, padding included, a chunk may hold."""
    vocab = model.config.get_text_config().vocab_size
    limit = min(CPU_TOKENS if model.device.type == "cpu" else GPU_TOKENS, CHUNK_VALUES // vocab)
    return min(limit, -(-sum(map(len, sequences)) // CHUNKS))


def _chunks(sequences: list[Tensor], done: set[int], most: int) -> list[list[int]]:
    """Places of the sequences that are not `done`, in chunks of like length: at most `most` tokens, or one sequence.

    The chunks are shuffled (always alike), so that the first maps are not of short texts only.
    """
    chunks: list[list[int]] = []
    for place in sorted(set(range(len(sequences))) - done, key=lambda place: (len(sequences[place]), place)):
        if not chunks or (len(chunks[-1]) + 1) * len(sequences[place]) > most:
            chunks.append([])
        chunks[-1].append(place)
    return [chunks[k] for k in np.random.default_rng(0).permutation(len(chunks))]


def _padded(sequences: list[Tensor]) -> Batch:
    ids = nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    mask = nn.utils.rnn.pad_sequence([torch.ones_like(sequence) for sequence in sequences], batch_first=True)
    return Batch(ids, mask)


# --- one chunk --------------------------------------------------------------------------------------------------------


class Donor(NamedTuple):
    """The donor's predictions at the N places of a chunk that predict an unmasked token.

    `places`: int64 [N] into B * T; `sequence`, `targets`: int64 [N]; `probabilities`: float32 [N, V]; `plogp`:
    float32 [N], the sum of p log p, which is minus the entropy.
    """

    places: Tensor
    sequence: Tensor
    targets: Tensor
    probabilities: Tensor
    plogp: Tensor


def _chunk_damage(
    model: PreTrainedModel, batch: Batch, progress: Progress
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`nll`, `kl` [B, P], `donor_nll`, `tokens` [B] of one chunk, as DropMap has them."""
    with torch.inference_mode():
        recording = record(model, batch.input_ids, batch.attention_mask)
        layers, count = len(recording.layers), len(batch.input_ids)
        donor, donor_nll = _donor(recording)
        tokens = torch.bincount(donor.sequence, minlength=count).cpu().numpy()
        nll, kl = (np.full((count, layers * (layers + 1) // 2), np.nan) for _ in range(2))
        for block, (start, stop) in enumerate(zip(*block_cells(layers), strict=True)):
            if stop - start == layers:
                continue
            states = recording.run(recording.states[start], range(stop, layers))
            nll[:, block], kl[:, block] = _damage(recording.logits(states), donor, count)
            progress.advance(int(layers - stop + 1))
    return nll, kl, donor_nll, tokens


def _donor(recording: Recording) -> tuple[Donor, np.ndarray]:
    """The donor's predictions, and its loss of each sequence, float64 [B]."""
    ids, mask = recording.input_ids, recording.attention_mask
    sequence, places = torch.nonzero(mask[:, 1:] * mask[:, :-1], as_tuple=True)
    targets = ids[sequence, places + 1]
    flat = sequence * ids.shape[1] + places
    logits = recording.logits(recording.states[-1]).flatten(0, 1)
    probabilities = torch.empty(len(flat), logits.shape[-1], device=logits.device)
    plogp, likelihood = (torch.empty(len(flat), device=logits.device) for _ in range(2))
    for piece in _pieces(len(flat), logits.shape[-1]):
        log = logits[flat[piece]].float().log_softmax(-1)
        likelihood[piece] = log.gather(1, targets[piece, None]).squeeze(1)
        torch.exp(log, out=probabilities[piece])
        plogp[piece] = _dot(probabilities[piece], log)
    nll = _by_sequence(-likelihood, sequence, len(ids))
    if not np.isfinite(nll).all():
        raise UserError(f"The model's own loss is not a finite number in {logits.dtype}: load it in float32.")
    return Donor(flat, sequence, targets, probabilities, plogp), nll


def _damage(logits: Tensor, donor: Donor, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Loss and KL(donor || pruned), summed over each of `count` sequences; logits: [B, T, V]."""
    logits = logits.flatten(0, 1)
    likelihood, cross = torch.empty_like(donor.plogp), torch.empty_like(donor.plogp)
    for piece in _pieces(len(donor.places), logits.shape[-1]):
        log = logits[donor.places[piece]].float().log_softmax(-1)
        likelihood[piece] = log.gather(1, donor.targets[piece, None]).squeeze(1)
        cross[piece] = _dot(donor.probabilities[piece], log)
    nll = _by_sequence(-likelihood, donor.sequence, count)
    return nll, _by_sequence(donor.plogp - cross, donor.sequence, count)


def _pieces(places: int, vocab: int) -> Iterator[slice]:
    size = max(1, PIECE_VALUES // vocab)
    return (slice(begin, begin + size) for begin in range(0, places, size))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """[n]: the inner product of each row of two [n, V] matrices, without a third."""
    return torch.linalg.vecdot(a, b)


def _by_sequence(values: Tensor, sequence: Tensor, count: int) -> np.ndarray:
    """values, sequence: [N]; their float64 sums, [count]."""
    return np.bincount(sequence.cpu().numpy(), weights=values.cpu().double().numpy(), minlength=count)
