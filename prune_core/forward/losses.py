"""Every loss computed from logits: next-token negative log-likelihood, KL from the donor, same most likely token.

Log-probabilities are computed in float32 a few rows at a time, whatever the vocabulary; sums over tokens are float64.
A token counts when it and the one before it are unmasked.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from prune_core.data.batches import Batch

CHUNK_VALUES = 2**24
"""Logits cast to float32 at a time: 64 MiB, whatever the vocabulary."""


class Losses(NamedTuple):
    """For S sequences: `nll` float64 [S], each one's summed next-token negative log likelihood in nats; `tokens` int64
    [S], how many tokens were predicted in each."""

    nll: np.ndarray
    tokens: np.ndarray


def predicting(mask: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, places), int64 [N] each, of the predictions of tokens that count, each at place + 1; mask: [B, T]."""
    rows, places = torch.nonzero(mask[:, 1:] * mask[:, :-1], as_tuple=True)
    return rows, places


def chunks(rows: int, vocabulary: int, values: int = CHUNK_VALUES) -> Iterator[slice]:
    """Slices of `rows` rows of logits that hold at most `values` values each, but at least one row."""
    size = max(1, values // vocabulary)
    return (slice(begin, begin + size) for begin in range(0, rows, size))


def token_nll(logits: Tensor, targets: Tensor) -> Tensor:
    """-log p(target) in nats, float32 [N]; logits [N, V], targets int64 [N]. Gradients flow if enabled."""
    return nn.functional.cross_entropy(logits.float(), targets, reduction="none")


def token_kl(donor: Tensor, other: Tensor) -> Tensor:
    """KL(donor || other) in nats, float64 [N]; logits [N, V] each."""
    return kl_divergence(donor.float().log_softmax(-1), other.float().log_softmax(-1))


def kl_divergence(donor: Tensor, other: Tensor) -> Tensor:
    """KL(donor || other) = sum_v p_v (log p_v - log q_v) in nats; log-probabilities [N, V] each -> float64 [N].

    Tokens that the donor rules out (p_v = 0, log p_v = -inf) add nothing.
    """
    likely = donor.exp()
    return torch.where(likely > 0, likely * (donor - other), 0).sum(-1, dtype=torch.float64)


def same_top(one: Tensor, other: Tensor) -> Tensor:
    """Whether both have the same most likely token, bool [N]; logits or log-probabilities [N, V] each."""
    return one.argmax(-1) == other.argmax(-1)


def batch_losses(model: PreTrainedModel, batch: Batch) -> Losses:
    """Each sequence's next-token loss under `model` as it computes now."""
    ids, mask = batch.input_ids.to(model.device), batch.attention_mask.to(model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits  # [B, T, V]
        rows, places = predicting(mask)
        targets = ids[rows, places + 1]
        nll = [token_nll(logits[rows[c], places[c]], targets[c]).cpu() for c in chunks(len(rows), logits.shape[-1])]
    return Losses(*by_sequence(rows, torch.cat(nll) if nll else torch.empty(0), len(ids)))


def summed_loss(model: PreTrainedModel, batch: Batch) -> tuple[Tensor, int]:
    """The summed next-token loss of a batch in nats, a scalar with its gradient, and how many tokens were predicted."""
    device = next(model.get_input_embeddings().parameters()).device  # on several devices, inputs go where it is
    ids, mask = batch.input_ids.to(device), batch.attention_mask.to(device)
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    rows, places = predicting(mask)
    return token_nll(logits[rows, places], ids[rows, places + 1]).sum(), len(rows)


def by_sequence(rows: Tensor, values: Tensor, count: int) -> tuple[np.ndarray, np.ndarray]:
    """float64 sums and int64 counts of `values` [N] for each of `count` sequences; rows: int64 [N], their sequences."""
    where = rows.cpu().numpy()
    sums = np.bincount(where, weights=values.detach().cpu().double().numpy(), minlength=count)
    return sums, np.bincount(where, minlength=count)


class DonorPredictions(NamedTuple):
    """The donor's predictions at the N positions of a batch that predict a token that counts, for comparison with many
    models.

    `places`: int64 [N] into B * T; `rows`, `targets`: int64 [N]; `probabilities`: float32 [N, V]; `plogp`: float32 [N],
    the sum of p log p, which is minus the entropy.
    """

    places: Tensor
    rows: Tensor
    targets: Tensor
    probabilities: Tensor
    plogp: Tensor


PIECE_VALUES = 2**21
"""Logits normalised at a time when they are read several times: they stay in a CPU's cache."""


def donor_predictions(logits: Tensor, ids: Tensor, mask: Tensor) -> tuple[DonorPredictions, np.ndarray]:
    """The predictions in `logits` [B, T, V], and the donor's loss of each sequence, float64 [B]; ids, mask: [B, T]."""
    rows, places = predicting(mask)
    targets, flat = ids[rows, places + 1], rows * ids.shape[1] + places
    logits = logits.flatten(0, 1)
    probabilities = torch.empty(len(flat), logits.shape[-1], device=logits.device)
    plogp, likelihood = (torch.empty(len(flat), device=logits.device) for _ in range(2))
    for piece in chunks(len(flat), logits.shape[-1], PIECE_VALUES):
        log = logits[flat[piece]].float().log_softmax(-1)
        likelihood[piece] = log.gather(1, targets[piece, None]).squeeze(1)
        torch.exp(log, out=probabilities[piece])
        plogp[piece] = torch.linalg.vecdot(probabilities[piece], log)
    nll, _ = by_sequence(rows, -likelihood, len(ids))
    return DonorPredictions(flat, rows, targets, probabilities, plogp), nll


def against_donor(logits: Tensor, donor: DonorPredictions) -> tuple[np.ndarray, np.ndarray]:
    """Loss and KL(donor || this model), summed over each of B sequences, float64 [B] each; logits: [B, T, V]."""
    count, logits = len(logits), logits.flatten(0, 1)
    likelihood, cross = torch.empty_like(donor.plogp), torch.empty_like(donor.plogp)
    for piece in chunks(len(donor.places), logits.shape[-1], PIECE_VALUES):
        log = logits[donor.places[piece]].float().log_softmax(-1)
        likelihood[piece] = log.gather(1, donor.targets[piece, None]).squeeze(1)
        cross[piece] = torch.linalg.vecdot(donor.probabilities[piece], log)
    return by_sequence(donor.rows, -likelihood, count)[0], by_sequence(donor.rows, donor.plogp - cross, count)[0]


def log_probabilities(logits: Tensor) -> Tensor:
    """float32 log-probabilities [N, V] of logits [N, V], for reading token by token."""
    return logits.float().log_softmax(-1)
