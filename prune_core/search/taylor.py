"""Taylor importance of every layer without holding the whole model's gradient in memory (arXiv 2402.02834).

The gradient goes down one layer at a time: from the loss to the last state, then through each layer, rerun on its
cached input. So only one layer's gradients are held at a time, and texts can come in any number of batches.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prune_core.data.batches import Batch
from prune_core.forward.layer_runs import STATES, Call, Recording
from prune_core.forward.losses import predicting, summed_loss
from prune_core.search.planned_runs import PlannedRuns


def taylor(runs: PlannedRuns, layers: nn.ModuleList, advance: Callable[[], None]) -> np.ndarray:
    """For each layer the sum over its weights W of |dL/dW * W|, float64 [L]; L is the mean next-token loss.

    Matrices and norm weights count, biases do not, as in the released code. `advance` is called after each layer.
    """
    depth, numbers = len(layers), range(len(runs.batches))
    tokens = sum(len(predicting(batch.attention_mask)[0]) for batch in runs.batches)
    gradients = [_at_the_top(*runs.along_donor(number, depth), tokens) for number in numbers]
    scores = np.zeros(depth)
    for layer in reversed(range(depth)):
        weights = [p for name, p in layers[layer].named_parameters() if name.endswith("weight")]
        total = [torch.zeros_like(p, dtype=torch.float32) for p in weights]
        for number in numbers:
            recording, states = runs.along_donor(number, layer)
            gradients[number], slopes = _through(
                layers[layer], recording.calls[layer], states, gradients[number], weights
            )
            for summed, slope in zip(total, slopes, strict=True):
                summed += slope
        scores[layer] = sum(float((s * p).abs().sum(dtype=torch.float64)) for s, p in zip(total, weights, strict=True))
        advance()
    return scores


def _at_the_top(recording: Recording, states: Tensor, tokens: int) -> Tensor:
    """d(loss)/d(last state), [B, T, D], of this batch's part of the mean loss over `tokens` predicted tokens."""
    last = states.clone().requires_grad_()
    with torch.enable_grad(), recording.passing_on(last):
        nll = summed_loss(recording.model, Batch(recording.input_ids, recording.attention_mask))[0] / tokens
    return torch.autograd.grad(nll, last)[0]


def _through(
    layer: nn.Module, call: Call, states: Tensor, gradient: Tensor, weights: list[nn.Parameter]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The gradient of a layer's input, [B, T, D], and of its weights, given that of its output."""
    given = states.clone().requires_grad_()
    named = _outside_inference(call.named) | ({STATES: given} if call.states_named else {})
    args = _outside_inference(call.args) if call.states_named else (given, *_outside_inference(call.args))
    for weight in weights:
        weight.requires_grad_(True)
    try:
        with torch.enable_grad():
            output = layer(*args, **named)
        output = output if call.length is None else output[0]
        below, *slopes = torch.autograd.grad(
            output, [given, *weights], gradient, allow_unused=True, materialize_grads=True
        )
    finally:
        for weight in weights:
            weight.requires_grad_(False)
    return below, tuple(slopes)


def _outside_inference(value: Any) -> Any:
    """Recorded arguments as autograd accepts them: tensors made in inference mode are copied."""
    if isinstance(value, Tensor):
        return value.clone() if value.is_inference() else value
    if isinstance(value, (tuple, list)):
        return type(value)(_outside_inference(each) for each in value)
    if isinstance(value, dict):
        return {name: _outside_inference(each) for name, each in value.items()}
    return value
