"""Loss and perplexity on held-out text by sliding windows, as transformers' documentation defines it.

https://huggingface.co/docs/transformers/perplexity: windows of `context` tokens start every `stride` tokens; a window
scores only the tokens that no earlier window scored; the others are context. The very first token of a stream has
nothing before it and is not scored. Perplexity is exp(mean loss over all scored tokens).

One deliberate difference: where windows overlap, the documentation's code weights each window's mean loss by one token
too few (it subtracts the first token, which is masked there anyway). Here every scored token weighs the same. With
stride = context, and for a text of one window, the two are equal.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from prune_core.data.batches import Batch, longest_first, padded
from prune_core.forward.calling import require_context, tail_logits
from prune_core.forward.losses import token_nll
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import HeldOut
from prune_core.schema.progress import Progress, Silent
from prune_core.schema.reports import Metric
from prune_core.schema.stats import ratio_stderr

CPU_BATCH_TOKENS = 2048
GPU_BATCH_TOKENS = 32768
LOGIT_BYTES = 2**29
SOFTMAX_ROWS = 1024


@dataclass(frozen=True)
class Window:
    """One forward pass over `tokens`, of which the last `scored` are scored. `stream` is the number of its text."""

    stream: int
    tokens: list[int]
    scored: int


def windows(stream: int, tokens: list[int], context: int, stride: int) -> Iterator[Window]:
    """The sliding windows over one stream of tokens; together they score tokens 1, 2, ... once each.

    With stride = context the first token of every window has nothing before it, so it is not scored.
    """
    scored_to = 0
    for begin in range(0, len(tokens), stride):
        end = min(begin + context, len(tokens))
        scored = min(end - scored_to, end - begin - 1)
        if scored > 0:
            yield Window(stream, tokens[begin:end], scored)
        scored_to = end
        if end == len(tokens):
            return


def perplexity(
    model: PreTrainedModel,
    tokenizer: Any,
    heldout: HeldOut,
    documents: list[str],
    progress: Progress | None = None,
) -> tuple[Metric, ...]:
    """Metrics "perplexity" and "loss" (nats per token) of `documents`, with standard errors.

    The standard error of the loss treats documents (windows when `heldout.joined`) as the sampling units of a ratio
    estimator; perplexity's follows by the delta method: perplexity times the error of the loss. `samples` counts scored
    tokens. A perplexity too large for a float is left out, and the loss says so. UserError if the context does not
    fit the model, if there is too little text, and if the loss is not a number.
    """
    progress = progress or Silent()
    every, note = heldout_windows(model, tokenizer, heldout, documents)
    losses = window_losses(model, every, progress)
    return _metrics(model, heldout, *by_unit(heldout, every, losses), note)


def heldout_windows(
    model: PreTrainedModel, tokenizer: Any, heldout: HeldOut, documents: list[str]
) -> tuple[list[Window], str]:
    """All windows over the held-out text, and how it is read, in words, for the note beside a figure.

    UserError if the context does not fit the model, and if there is too little text.
    """
    check_windows(model, heldout)
    streams = _streams(tokenizer, heldout, documents)
    every = [w for i, tokens in enumerate(streams) for w in windows(i, tokens, heldout.context, heldout.stride)]
    if not every:
        raise UserError("The held-out text has fewer than two tokens: give more text.")
    read = len({w.stream for w in every})
    units = "documents joined" if heldout.joined else f"{read:,} documents scored separately"
    note = f"context {heldout.context}, stride {heldout.stride}, {units}, {sum(w.scored for w in every):,} tokens"
    limited = sum(map(len, streams)) + 1 >= heldout.max_tokens
    return every, note + (f" (the text's first {heldout.max_tokens:,})" if limited else "")


def text_name(heldout: HeldOut) -> str:
    """What the held-out text is called beside a figure."""
    return " ".join(filter(None, (Path(heldout.source).name, heldout.subset)))


def by_unit(heldout: HeldOut, every: list[Window], sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums and scored tokens of each sampling unit: documents, or windows when the text is joined."""
    counts = np.array([w.scored for w in every], dtype=np.float64)
    if heldout.joined:
        return sums, counts
    return _per_stream(sums, every), _per_stream(counts, every)


def window_losses(model: PreTrainedModel, every: list[Window], progress: Progress) -> np.ndarray:
    """Summed negative log-likelihood (nats) of each window's scored tokens, float64 [len(every)].

    Windows of similar length share a batch.
    """
    losses = np.zeros(len(every))
    progress.stage("perplexity", sum(len(window.tokens) for window in every), "tokens")
    for batch in batches(model, every):
        losses[batch] = _batch_losses(model, [every[i] for i in batch])
        progress.advance(sum(len(every[i].tokens) for i in batch))
    return losses


def batches(model: PreTrainedModel, every: list[Window], models: int = 1) -> Iterator[list[int]]:
    """The numbers of the windows that share a forward pass of `models` models, longest first."""
    sizes = [(len(window.tokens), window.scored) for window in every]
    return longest_first(sizes, lambda place: _batch_size(model, every[place]) // models)


@dataclass(frozen=True)
class Padded:
    """A batch of windows. `rows`, `targets`: each scored token's window and its position there; `first`: the lowest
    position whose logits are needed."""

    batch: Batch
    rows: list[int]
    targets: list[int]
    first: int

    def logits(self, model: PreTrainedModel) -> torch.Tensor:
        """[B, T - first, V], in the model's dtype and on its device."""
        ids, mask = self.batch.input_ids.to(model.device), self.batch.attention_mask.to(model.device)
        return tail_logits(model, ids, ids.shape[1] - self.first, attention_mask=mask, use_cache=False)[0]

    def chunks(self, device: torch.device) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(rows, targets) of SOFTMAX_ROWS tokens at a time."""
        for start in range(0, len(self.rows), SOFTMAX_ROWS):
            part = slice(start, start + SOFTMAX_ROWS)
            yield torch.tensor(self.rows[part], device=device), torch.tensor(self.targets[part], device=device)


def read(batch: list[Window]) -> Padded:
    """The windows padded on the right, so no padding is ever before a token that counts."""
    rows = [i for i, w in enumerate(batch) for _ in range(w.scored)]
    targets = [t for w in batch for t in range(len(w.tokens) - w.scored, len(w.tokens))]
    return Padded(padded([torch.tensor(w.tokens) for w in batch]), rows, targets, min(targets) - 1)


@torch.inference_mode()
def _batch_losses(model: PreTrainedModel, batch: list[Window]) -> np.ndarray:
    """Summed loss of each window, float64 [B]; softmax in float32 on a chunk of rows at a time, sums in float64."""
    windows = read(batch)
    logits, ids = windows.logits(model), windows.batch.input_ids.to(model.device)
    sums = np.zeros(len(batch))
    for row, target in windows.chunks(model.device):
        nll = token_nll(logits[row, target - 1 - windows.first], ids[row, target])
        np.add.at(sums, row.cpu().numpy(), nll.cpu().double().numpy())
    return sums


def _batch_size(model: PreTrainedModel, longest: Window) -> int:
    """Windows per batch: a few thousand tokens, and logits that stay within LOGIT_BYTES."""
    tokens = CPU_BATCH_TOKENS if model.device.type == "cpu" else GPU_BATCH_TOKENS
    row_bytes = (longest.scored + 1) * model.config.get_text_config().vocab_size * model.dtype.itemsize
    return max(1, min(tokens // len(longest.tokens), LOGIT_BYTES // row_bytes))


def check_windows(model: PreTrainedModel, heldout: HeldOut) -> None:
    """UserError if the windows leave tokens out or do not fit the model's context."""
    if not 1 <= heldout.stride <= heldout.context or heldout.context < 2:
        raise UserError(
            f"Context {heldout.context} and stride {heldout.stride} would leave tokens out: "
            "choose a context of 2 or more and a stride from 1 to the context."
        )
    if heldout.max_tokens < 2:
        raise UserError(f"A limit of {heldout.max_tokens} tokens leaves nothing to score: allow at least 2.")
    require_context(model, heldout.context, "The windows have", "choose a shorter context")


def _streams(tokenizer: Any, heldout: HeldOut, documents: list[str]) -> list[list[int]]:
    """Token ids of each stream, with the tokenizer's own special tokens, together at most `max_tokens` tokens."""
    texts = ["\n\n".join(documents)] if heldout.joined else (text for d in documents if (text := d.strip()))
    streams, left = [], heldout.max_tokens
    for text in texts:
        ids = tokenizer(text, verbose=False)["input_ids"][:left]
        streams.append(ids)
        left -= len(ids)
        if left < 2:  # a single token would be read and never scored
            break
    return streams


def _per_stream(values: np.ndarray, every: list[Window]) -> np.ndarray:
    """Sums of `values` over the windows of each stream that has any."""
    sums = np.bincount([w.stream for w in every], weights=values)
    return sums[np.unique([w.stream for w in every])]


def _metrics(
    model: PreTrainedModel, heldout: HeldOut, losses: np.ndarray, counts: np.ndarray, note: str
) -> tuple[Metric, ...]:
    loss, stderr, tokens = float(losses.sum() / counts.sum()), ratio_stderr(losses, counts), int(counts.sum())
    if not math.isfinite(loss):
        dtype = str(model.dtype).removeprefix("torch.")
        raise UserError(f"The loss on held-out text is {loss}, as the model overflows in {dtype}: choose float32.")
    task = text_name(heldout)
    try:
        value = math.exp(loss)
    except OverflowError:
        note += "; perplexity, exp(loss), is too large to write"
        return (Metric("loss", task, loss, "nats/token", False, stderr, None, tokens, note),)
    spread = None if stderr is None else value * stderr
    return (
        Metric("perplexity", task, value, "", False, spread, None, tokens, note),
        Metric("loss", task, loss, "nats/token", False, stderr, None, tokens, note),
    )
