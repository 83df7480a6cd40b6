"""How much attention and MLP each change the hidden state on their own, in every layer (arXiv 2406.15786)."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from prune_core.cut import parts
from prune_core.forward.swaps import swap_weights
from prune_core.search.planned_runs import PlannedRuns


def part_influence(runs: PlannedRuns, layers: nn.ModuleList, advance: Callable[[], None]) -> np.ndarray:
    """1 - mean over tokens of the cosine before and after a part is added, float64 [2, L]: attention, MLP.

    Attention: the layer's input x and x + attention. MLP: that sum and the layer's output; so in families that add both
    parts to x at once (GPT-NeoX, Falcon), which the paper does not cover, the MLP is the part added last. Padding does
    not count. `advance` is called after each layer.
    """
    begun = [runs.along_donor(batch, 0) for batch in range(len(runs.batches))]
    recordings, states = [recording for recording, _ in begun], [state for _, state in begun]
    alike = np.zeros((2, len(layers)))
    for number, layer in enumerate(layers):
        parts.check(recordings[0], number)
        silence = parts.silent(layer, "mlp")
        for batch, (recording, before) in enumerate(zip(recordings, states, strict=True)):
            states[batch] = recording.run(before, [number])
            restore = swap_weights(layer, silence)
            try:
                between = recording.run(before, [number])
            finally:
                restore()
            counted = recording.attention_mask.bool()
            alike[0, number] += _cosines(before[counted], between[counted])
            alike[1, number] += _cosines(between[counted], states[batch][counted])
        advance()
    return 1 - alike / sum(int(batch.attention_mask.sum()) for batch in runs.batches)


def _cosines(one: Tensor, other: Tensor) -> float:
    """The sum over tokens of the cosine; [N, D] twice, in float32 or better."""
    wide = torch.promote_types(one.dtype, torch.float32)
    return float(nn.functional.cosine_similarity(one.to(wide), other.to(wide), dim=-1).sum(dtype=torch.float64))
