"""Evidence for searches: plans measured on the loaded model and the calibration text, each of them once.

planned_runs.py runs planned models on cached states, taylor.py takes gradients, influence.py compares states. A search
asks by `methods.Evidence`.
"""

import math
from collections.abc import Callable, Sequence
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from prune_core.cut import build
from prune_core.data.batches import Batch, by_length
from prune_core.forward.layer_runs import Recording
from prune_core.forward.losses import batch_losses, chunks, token_kl
from prune_core.methods import Step
from prune_core.model.load import LoadedModel
from prune_core.schema.errors import UserError
from prune_core.schema.measures import LayerStats
from prune_core.schema.plan import Plan
from prune_core.schema.progress import Progress, Silent
from prune_core.search.influence import part_influence
from prune_core.search.planned_runs import PlannedRuns, fates
from prune_core.search.taylor import taylor

CPU_TOKENS, GPU_TOKENS = 512, 8192
"""Tokens that go through the layers together: on a CPU few, so that activations stay in its cache."""

PIECE_VALUES = 2**22
"""Logits that are normalised at a time."""


def search_batch(seq_len: int, device: str) -> int:
    """How many sequences of `seq_len` tokens make a batch for searches. Only "the first tokens" depend on it."""
    return max(1, (CPU_TOKENS if device == "cpu" else GPU_TOKENS) // seq_len)


def regrouped(batches: Sequence[Batch]) -> list[Batch]:
    """The same sequences in batches of like length, so that little padding is run, always in the same random order, so
    that the first ones are not the short ones."""
    grouped = [batch for _, batch in by_length(batches)]
    return [grouped[place] for place in np.random.default_rng(0).permutation(len(grouped))]


class Search:
    """`methods.Evidence` measured on `batches`. `steps` is what the method recorded.

    `known` holds every measurement by what was measured; give the same one again and nothing is measured twice. It is
    of this model and these texts only, and plain enough for JSON; `keep` is called when it has grown. `measured` and
    `reused` count plans. A measurement that is not a finite number raises UserError.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        batches: Sequence[Batch],
        progress: Progress | None = None,
        known: dict[str, float] | None = None,
        keep: Callable[[], None] = lambda: None,
    ) -> None:
        self.steps: list[Step] = []
        self.measured = self.reused = 0
        self._loaded, self._progress = loaded, progress or Silent()
        self._known: dict[str, float] = {} if known is None else known
        self._keep = keep
        self._runs = PlannedRuns(loaded, batches, self._progress)
        self._donor_hidden: list[Tensor] = []

    @property
    def num_layers(self) -> int:
        return len(self._loaded.stack.layers)

    @property
    def stats(self) -> LayerStats:
        raise UserError("This search has no similarity maps: it measures plans on the model.")

    def loss(self, plan: Plan) -> float:
        """Mean next-token loss in nats per token, computed as a preview does."""

        def measure() -> float:
            nll, tokens = zip(*self._runs.each(plan, self._batch_loss), strict=True)
            return float(sum(nll) / sum(tokens))

        return self._once("loss", plan, measure)

    def similarity(self, plan: Plan) -> float:
        """Mean over texts of the cosine of the last hidden states, after the final norm (`hidden_states[-1]`), of donor
        and planned model, flattened over a text's tokens; padding does not count. Computed in float32 or better."""

        def measure() -> float:
            if not self._donor_hidden:
                donor = Plan(self.num_layers)
                self._donor_hidden = self._runs.each(donor, lambda _number, *last: _last_hidden(*last))
            return float(np.concatenate(self._runs.each(plan, self._batch_similarity)).mean())

        return self._once("similarity", plan, measure)

    def kl(self, plan: Plan, tokens: int | None = None) -> float:
        """Mean over tokens of KL(donor || planned model) in nats, over the first batches that hold `tokens` tokens."""
        sizes = np.cumsum([int(batch.attention_mask.sum()) for batch in self._runs.batches])
        count = len(sizes) if tokens is None else min(len(sizes), int(np.searchsorted(sizes, tokens)) + 1)

        def measure() -> float:
            return float(sum(self._runs.each(plan, self._batch_kl, count)) / sizes[count - 1])

        return self._once(f"kl of {count} of {len(sizes)} batches", plan, measure)

    def taylor(self) -> np.ndarray:
        """Taylor importance of each layer, float64 [L]; see taylor.py."""
        return self._of_layers("taylor", taylor, (self.num_layers,))

    def part_influence(self) -> np.ndarray:
        """How much attention and MLP of each layer change the hidden state, float64 [2, L]; see influence.py."""
        return self._of_layers("part influence", part_influence, (2, self.num_layers))

    def settle(self, plan: Plan) -> None:
        """Keep the states along `plan`, for the plans to come that share its lower layers."""
        self._runs.settle(plan)

    def expect(self, stage: str, plans: int) -> None:
        self._progress.stage(stage, plans, "plans")

    def record(self, step: Step) -> None:
        self.steps.append(step)

    def _of_layers(self, what: str, measure: Callable[..., np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
        """An array of the donor's own, kept among the known measurements number by number."""
        keys = [f"{what} {place}" for place in np.ndindex(shape)]
        if any(key not in self._known for key in keys):
            values = measure(self._runs, self._loaded.stack.layers, self._progress.advance)
            self._known |= dict(zip(keys, values.ravel().tolist(), strict=True))
            self.measured += 1
            self._keep()
        return np.array([self._known[key] for key in keys]).reshape(shape)

    def _once(self, what: str, plan: Plan, measure: Callable[[], float]) -> float:
        key = f"{what} {sha256(repr(fates(plan)).encode()).hexdigest()[:32]}"
        if key in self._known:
            self.reused += 1
        else:
            build.check_supported(self._loaded.model.config, plan)
            value = measure()
            if not math.isfinite(value):
                raise UserError(
                    f"A plan's {what} is not a finite number in {self._loaded.info.dtype}: load the model in float32."
                )
            self._known[key] = value
            self.measured += 1
            self._keep()
        self._progress.advance()
        return self._known[key]

    def _batch_loss(self, number: int, recording: Recording, states: Tensor) -> tuple[float, int]:
        with recording.passing_on(states):
            losses = batch_losses(recording.model, self._runs.batches[number])
        return float(losses.nll.sum()), int(losses.tokens.sum())

    def _batch_similarity(self, number: int, recording: Recording, states: Tensor) -> np.ndarray:
        """Cosine for each sequence, float64 [B]."""
        mask = recording.attention_mask[..., None]
        ours, donor = _last_hidden(recording, states).float() * mask, self._donor_hidden[number].float() * mask
        return (_dot(ours, donor) / (_dot(ours, ours) * _dot(donor, donor)).sqrt()).cpu().numpy()

    def _batch_kl(self, number: int, recording: Recording, states: Tensor) -> float:
        """Sum over the batch's tokens of KL(donor || planned)."""
        _, donor_states = self._runs.along_donor(number, self.num_layers)
        counted = recording.attention_mask.bool()
        donor, ours = recording.logits(donor_states)[counted], recording.logits(states)[counted]
        return float(sum(token_kl(donor[c], ours[c]).sum() for c in chunks(len(donor), donor.shape[-1], PIECE_VALUES)))


def _last_hidden(recording: Recording, states: Tensor) -> Tensor:
    """What the model makes of its last layer's output before the head, [B, T, D]: the final norm, in most families."""
    with torch.inference_mode(), recording.passing_on(states):
        return recording.model.base_model(
            input_ids=recording.input_ids, attention_mask=recording.attention_mask, use_cache=False
        ).last_hidden_state


def _dot(one: Tensor, other: Tensor) -> Tensor:
    """Sum of products over all tokens and dimensions of each sequence: [B, T, D] twice -> float64 [B]."""
    return (one * other).sum(dim=(1, 2), dtype=torch.float64)
