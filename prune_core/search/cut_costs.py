"""The loss of any plan on one text, a few sequences at a time, so that a first estimate is there at once.

The donor's states below a cut never change: they are kept, as far as memory allows, and only the layers above the first
change are run. Sequences go through in a random order that is always the same, so that an estimate on some of them is
one of all; the last one is exact.
"""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch import Tensor

from prune_core.cut import build, edits, parts
from prune_core.cut.preview import planned
from prune_core.data.batches import Batch, padded, sequences
from prune_core.forward.layer_runs import Recording
from prune_core.forward.losses import Losses, batch_losses
from prune_core.model.load import LoadedModel
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Plan, Replace
from prune_core.schema.progress import Progress, Silent
from prune_core.schema.reports import Preview
from prune_core.schema.stats import ratio_stderr
from prune_core.schema.wording import counted
from prune_core.search.planned_runs import PlannedRuns

CPU_TOKENS, GPU_TOKENS = 512, 8192
"""Tokens of one chunk, at most: on a CPU few, so that activations stay in its cache."""

FIRST_SEQUENCES = 4
"""The first estimate rests on so many sequences at least: the error of fewer is mostly luck."""


class CutCosts:
    """Losses of plans on `batches`, each beside the donor's; both are float64 sums over each of S sequences.

    One object serves all plans on one model and text: it keeps the donor's states and losses. Results do not depend on
    how `batches` are made up, but for the last bits.
    """

    def __init__(self, loaded: LoadedModel, batches: Sequence[Batch]) -> None:
        texts = sequences(batches)
        self._loaded = loaded
        self._places = _chunks([len(text) for text in texts], loaded.model.device.type)
        self._chunks = [padded([texts[place] for place in group]) for group in self._places]
        self._tokens = np.array([len(text) - 1 for text in texts])
        self._runs = PlannedRuns(loaded, self._chunks, Silent())
        self._donor: list[Losses] = []

    def prepare(self, progress: Progress, chunks: int = 2) -> None:
        """Run the donor over the first chunks, so that the first question about a plan is answered sooner."""
        self._runs.report_to(progress)
        donor = Plan(len(self._loaded.stack.layers))
        for _ in self._runs.through(donor, self._loss, min(chunks, len(self._chunks))):
            pass

    def preview(
        self,
        plan: Plan,
        fitted: edits.Fitted = edits.NOTHING,
        progress: Progress | None = None,
        watch: Callable[[Preview], None] = lambda seen: None,
    ) -> Preview:
        """The change of loss under `plan`; `watch` sees an estimate after each chunk, once it rests on
        FIRST_SEQUENCES sequences.

        `fitted`: what Replace edits put in place of blocks. Raises UserError where there are fewer than two sequences,
        a loss is not finite, or the built model could not be the same.
        """
        begun, progress = time.perf_counter(), progress or Silent()
        self._runs.report_to(progress)
        costs = self._costs(plan)
        progress.stage("scoring the text", sum(costs), "layer runs")
        nll, donor = np.zeros(len(self._tokens)), np.zeros(len(self._tokens))
        enough = max(2, min(FIRST_SEQUENCES, len(self._tokens)))  # a short text has fewer; one has no error
        seen: list[int] = []
        estimate: Preview | None = None
        for number, found in enumerate(self._losses(plan, fitted)):
            places = self._places[number]
            nll[places], donor[places] = found.nll, self._donor[number].nll
            seen += places
            if not np.isfinite(nll[places]).all():
                dtype = str(self._loaded.model.dtype).removeprefix("torch.")
                raise UserError(f"The loss is not a finite number in {dtype}: load the model in float32.")
            progress.advance(costs[number])
            if len(seen) >= enough:
                estimate = self._estimate(plan, nll[seen], donor[seen], self._tokens[seen], begun)
                watch(estimate)
        if estimate is None:
            raise UserError(
                f"{counted(len(seen), 'calibration text')} cannot give a standard error: use at least 2, of 2 tokens "
                "or more."
            )
        return estimate

    def _losses(self, plan: Plan, fitted: edits.Fitted) -> Iterator[Losses]:
        """Each chunk's losses under the plan, in order; the donor's are there by then."""
        if any(isinstance(edit, Replace) for edit in plan.edits):
            for number, batch in enumerate(self._chunks):
                self._know_donor(number)
                with planned(self._loaded.model, plan, fitted):
                    yield batch_losses(self._loaded.model, batch)
            return
        build.check_supported(self._loaded.model.config, plan)
        parts.check_plan(self._loaded.model, plan)
        for number, found in enumerate(self._runs.through(plan, self._loss)):
            self._know_donor(number)
            yield found

    def _know_donor(self, number: int) -> None:
        if len(self._donor) == number:
            recording, states = self._runs.along_donor(number, len(self._loaded.stack.layers))
            self._donor.append(self._loss(number, recording, states))

    def _loss(self, number: int, recording: Recording, states: Tensor) -> Losses:
        """The losses of chunk `number` where the last layer puts out `states`."""
        with recording.passing_on(states):
            return batch_losses(recording.model, self._chunks[number])

    def _costs(self, plan: Plan) -> list[int]:
        """What each chunk takes, in runs of one layer over a full chunk; the head counts as what it weighs."""
        layers, full = len(self._loaded.stack.layers), max(chunk.input_ids.numel() for chunk in self._chunks)
        replaces = any(isinstance(edit, Replace) for edit in plan.edits)
        head = _head_layers(self._loaded)
        costs = []
        for number, chunk in enumerate(self._chunks):
            runs = layers if replaces else self._runs.layers_to_run(number, plan)
            heads = 1 if number < len(self._donor) else 2
            costs.append(max(1, round((runs + heads * head) * chunk.input_ids.numel() / full)))
        return costs

    def _estimate(self, plan: Plan, nll: np.ndarray, donor: np.ndarray, tokens: np.ndarray, begun: float) -> Preview:
        total, stderr = int(tokens.sum()), ratio_stderr(nll - donor, tokens)
        assert stderr is not None  # two sequences at least
        return Preview(
            plan=plan,
            donor_loss=float(donor.sum() / total),
            loss=float(nll.sum() / total),
            delta_stderr=stderr,
            tokens=total,
            seconds=time.perf_counter() - begun,
            of_tokens=int(self._tokens.sum()),
        )


def _chunks(lengths: list[int], device: str) -> list[list[int]]:
    """Places of the sequences in a random order that is always the same, in chunks of a size.

    Not like lengths together: an estimate's error takes its sequences for a random draw, which chunks of short texts
    would not be.
    """
    most = CPU_TOKENS if device == "cpu" else GPU_TOKENS
    chunks: list[list[int]] = []
    for place in np.random.default_rng(0).permutation(len(lengths)).tolist():
        longest = max([lengths[place], *(lengths[p] for p in chunks[-1])]) if chunks else 0
        first = len(chunks) == 1 and len(chunks[0]) < FIRST_SEQUENCES
        if not chunks or ((len(chunks[-1]) + 1) * longest > most and not first):
            chunks.append([])
        chunks[-1].append(place)
    return chunks


def _head_layers(loaded: LoadedModel) -> float:
    """What one pass through the head takes, counted in layers."""
    layer = sum(parameter.numel() for parameter in loaded.stack.layers[0].parameters())
    return loaded.info.vocab_size * loaded.info.hidden_size / max(1, layer)
