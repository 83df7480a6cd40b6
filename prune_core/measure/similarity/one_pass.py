"""Every similarity measure in one pass over the calibration text, each streamed window by window."""

import time
from collections.abc import Sequence

from prune_core.data.batches import Batch, sequences
from prune_core.forward import capture
from prune_core.measure.similarity.cka import Kernel, MinibatchCKA
from prune_core.measure.similarity.norm_record import NormRecord
from prune_core.measure.similarity.rbf import rbf_hsic_of_pairs
from prune_core.measure.similarity.tokens import TokenMeasures
from prune_core.measure.similarity.windows import Windows
from prune_core.model.load import LoadedModel
from prune_core.schema.errors import UserError
from prune_core.schema.measures import EXTRA_MEASURES, LayerStats, Tokens
from prune_core.schema.progress import Progress

KERNELS = {"cka_rbf": rbf_hsic_of_pairs}
"""How each family among measures.EXTRA_MEASURES compares the states of a minibatch."""


def measure_all(
    loaded: LoadedModel,
    batches: Sequence[Batch],
    cka_tokens: int = 256,
    progress: Progress | None = None,
    extras: tuple[str, ...] = (),
) -> LayerStats:
    """Cosine, angular distance (all tokens, last token) and CKA of all (L+1)^2 pairs of states, with standard errors,
    and the states' norms; what massive tokens decide, without them too.

    One forward pass a batch. `cka_tokens` is the size of the minibatches that CKA is taken over, and of the windows
    within which a norm is found massive; `extras` are further measures, by name. Raises UserError where the text is
    too short or too long for the model.
    """
    begun = time.monotonic()
    states = len(loaded.stack.layers) + 1
    by_token, cka, record = TokenMeasures(states), MinibatchCKA({name: _kernel(name) for name in extras}), NormRecord()
    windows = Windows(cka_tokens, (by_token, cka, record))
    capture.run(loaded, batches, (windows,), progress)
    windows.finish()
    estimates = {**by_token.estimates(), **cka.estimates()}
    texts = sequences(batches)
    norms = record.norms(lambda text, position: int(texts[text][position]))
    return LayerStats(
        num_layers=states - 1,
        values={name: found.value for name, found in estimates.items()},
        stderrs={name: found.stderr for name, found in estimates.items()},
        sequences=by_token.sequences,
        tokens=by_token.tokens,
        seconds=time.monotonic() - begun,
        norm_arrays=norms.arrays(),
        massive_tokens=norms.examples,
        excluded=norms.excluded,
    )


def _kernel(name: str) -> tuple[Kernel, Tokens]:
    known: dict[str, tuple[Kernel, Tokens]] = {m.name: (KERNELS[m.family], m.tokens) for m in EXTRA_MEASURES}
    if name not in known:
        raise UserError(f"There is no extra measure '{name}': choose from {', '.join(known)}.")
    return known[name]
