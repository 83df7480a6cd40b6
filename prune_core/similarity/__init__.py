"""Every similarity measure in one pass over the calibration text, each streamed batch by batch."""

import time
from collections.abc import Sequence

from prune_core import capture
from prune_core.capture import Batch
from prune_core.model import LoadedModel
from prune_core.similarity.cka import MinibatchCKA
from prune_core.similarity.tokens import TokenMeasures
from prune_core.types import LayerStats, Progress


def measure_all(
    loaded: LoadedModel, batches: Sequence[Batch], cka_tokens: int = 512, progress: Progress | None = None
) -> LayerStats:
    """Cosine, angular distance (all tokens, last token) and CKA of all (L+1)^2 pairs of states, with standard errors.

    One forward pass a batch. `cka_tokens` is the size of the minibatches that CKA is taken over. Raises UserError where
    the text is too short or too long for the model.
    """
    begun = time.monotonic()
    states = len(loaded.stack.layers) + 1
    by_token, cka = TokenMeasures(states), MinibatchCKA(states, cka_tokens)
    capture.run(loaded, batches, (by_token, cka), progress)
    estimates = {**by_token.estimates(), "cka": cka.estimate()}
    return LayerStats(
        num_layers=states - 1,
        values={name: found.value for name, found in estimates.items()},
        stderrs={name: found.stderr for name, found in estimates.items()},
        sequences=by_token.sequences,
        tokens=by_token.tokens,
        seconds=time.monotonic() - begun,
    )
