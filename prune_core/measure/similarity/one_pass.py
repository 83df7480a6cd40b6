"""Every similarity measure in one pass over the calibration text, each streamed batch by batch."""

import time
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from prune_core.data.batches import Batch
from prune_core.forward import capture
from prune_core.measure.similarity.cka import MinibatchCKA
from prune_core.measure.similarity.rbf import rbf_hsic_of_pairs
from prune_core.measure.similarity.tokens import TokenMeasures
from prune_core.model.load import LoadedModel
from prune_core.schema.errors import UserError
from prune_core.schema.measures import LayerStats
from prune_core.schema.progress import Progress

KERNELS = {"cka_rbf": rbf_hsic_of_pairs}
"""How each of measures.EXTRA_MEASURES compares the states of a minibatch."""


def measure_all(
    loaded: LoadedModel,
    batches: Sequence[Batch],
    cka_tokens: int = 256,
    progress: Progress | None = None,
    extras: tuple[str, ...] = (),
) -> LayerStats:
    """Cosine, angular distance (all tokens, last token) and CKA of all (L+1)^2 pairs of states, with standard errors.

    One forward pass a batch. `cka_tokens` is the size of the minibatches that CKA is taken over; `extras` are further
    measures, by name. Raises UserError where the text is too short or too long for the model.
    """
    begun = time.monotonic()
    states = len(loaded.stack.layers) + 1
    kernels = {name: _kernel(name) for name in extras}
    by_token, cka = TokenMeasures(states), MinibatchCKA(states, cka_tokens, kernels)
    capture.run(loaded, batches, (by_token, cka), progress)
    estimates = {**by_token.estimates(), "cka": cka.estimate(), **cka.kernel_estimates()}
    return LayerStats(
        num_layers=states - 1,
        values={name: found.value for name, found in estimates.items()},
        stderrs={name: found.stderr for name, found in estimates.items()},
        sequences=by_token.sequences,
        tokens=by_token.tokens,
        seconds=time.monotonic() - begun,
    )


def _kernel(name: str) -> Callable[[Tensor], np.ndarray]:
    if name not in KERNELS:
        raise UserError(f"There is no extra measure '{name}': choose from {', '.join(KERNELS)}.")
    return KERNELS[name]
