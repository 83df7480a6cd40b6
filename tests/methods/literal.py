"""The published algorithms, word for word and slow: whole models copied, one sentence at a time, nothing cached.

Each is for Llama, whose parts the released codes name. `model.layers` of a copy are really merged and deleted.
"""

import copy

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

MATRICES = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
)  # fmt: skip


# --- LaCo and SLM -----------------------------------------------------------------------------------------------------


def merged(model: PreTrainedModel, base: int, count: int, rule: str) -> PreTrainedModel:
    """A copy with layers base+1..base+count merged into `base` and deleted."""
    model_copy = copy.deepcopy(model)
    layers, donor = model_copy.model.layers, model.model.layers
    for matrix in MATRICES:
        weight = layers[base].get_submodule(matrix).weight.data
        if rule == "rdsc":  # theta_l + sum_k (theta_{l+k} - theta_l)
            start = weight.clone()
            for k in range(1, count + 1):
                weight += donor[base + k].get_submodule(matrix).weight.data - start
        else:  # the released code's loop, which adds to the base that it subtracts
            for k in range(1, count + 1):
                weight += donor[base + k].get_submodule(matrix).weight.data - weight
    del layers[base + 1 : base + count + 1]
    return model_copy


def last_hidden(model: PreTrainedModel, sentences: list[Tensor]) -> list[Tensor]:
    """Each sentence's last hidden state, flattened, [T * D]."""
    with torch.no_grad():
        outputs = [model(ids, output_hidden_states=True, use_cache=False) for ids in sentences]
    return [output.hidden_states[-1].flatten() for output in outputs]


def mean_cosine(ones: list[Tensor], others: list[Tensor]) -> float:
    """Mean over sentences of the cosine of two models' last hidden states."""
    cosines = [nn.functional.cosine_similarity(a, b, dim=0).item() for a, b in zip(ones, others, strict=True)]
    return sum(cosines) / len(cosines)


def laco(
    model: PreTrainedModel,
    sentences: list[Tensor],
    span: int,
    lowest: int,
    highest: int,
    interval: int,
    threshold: float,
    rule: str,
) -> tuple[PreTrainedModel, list[tuple[float, bool]]]:
    """The pruned model, and each candidate's similarity and whether it was accepted."""
    current, seen = model, []
    lay = highest - span
    while lay >= lowest:
        count = min(span - 1, len(current.model.layers) - 1 - lay)
        candidate = merged(current, lay, count, rule)
        similarity = mean_cosine(last_hidden(model, sentences), last_hidden(candidate, sentences))
        seen.append((similarity, similarity > threshold))
        if similarity > threshold:
            current = candidate
            lay -= interval
            if lay >= len(current.model.layers):
                lay = len(current.model.layers) - span
        else:
            lay -= 1
    return current, seen


def slm(
    model: PreTrainedModel, sentences: list[Tensor], threshold: float, rule: str
) -> tuple[PreTrainedModel, list[tuple[float, bool]]]:
    """The same for sliding layer merging, the window at layer 0 committed; no-op windows are not listed."""
    current, seen, donor = model, [], last_hidden(model, sentences)
    high = len(model.model.layers) - 2
    low = high - 1
    while low >= 0:
        similarity = mean_cosine(donor, last_hidden(merged(current, low, high - low, rule), sentences))
        if low < high:
            seen.append((similarity, similarity >= threshold))
        if similarity >= threshold:
            low -= 1
        elif low + 1 != high:
            current = merged(current, low + 1, high - low - 1, rule)
            high = low
        else:
            high -= 1
            low -= 1
    if high > 0:
        current = merged(current, 0, high, rule)
    return current, seen


# --- SLEB -------------------------------------------------------------------------------------------------------------


def negative_log_likelihood(model: PreTrainedModel, gone: list[int], sentences: list[Tensor]) -> float:
    """Of the model without the layers that are gone, summed over all predicted tokens, in nats."""
    layers, total = model.model.layers, 0.0
    model.model.layers = nn.ModuleList(layer for number, layer in enumerate(layers) if number not in gone)
    for ids in sentences:
        with torch.no_grad():
            logits = model(ids, use_cache=False).logits
        total += nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum").item()
    model.model.layers = layers
    return total


def sleb(model: PreTrainedModel, sentences: list[Tensor], remove: int) -> tuple[list[int], list[float]]:
    """The layers in the order of removal, and every candidate's summed negative log likelihood."""
    alive, removed, seen = list(range(len(model.model.layers))), [], []
    for _ in range(remove):
        lowest, choice = float("inf"), -1
        for place in range(1, len(alive) - 1):
            likelihood = negative_log_likelihood(model, [*removed, alive[place]], sentences)
            seen.append(likelihood)
            if likelihood < lowest:
                lowest, choice = likelihood, place
        removed.append(alive.pop(choice))
    return removed, seen


# --- blocks -----------------------------------------------------------------------------------------------------------


def states(model: PreTrainedModel, ids: Tensor) -> list[Tensor]:
    """All L+1 states of one sentence, [T, D] each, the last one before the final norm."""
    before_norm: list[Tensor] = []
    hook = model.model.norm.register_forward_pre_hook(lambda _norm, args: before_norm.append(args[0]))
    with torch.no_grad():
        hidden = model(ids, output_hidden_states=True, use_cache=False).hidden_states
    hook.remove()
    return [state[0] for state in (*hidden[:-1], before_norm[0])]


def block_distances(model: PreTrainedModel, sentences: list[Tensor], size: int) -> list[float]:
    """d(l, l + size) for l = 0..L-size: arccos of the cosine at the last token over pi, mean over sentences."""
    depth = len(model.model.layers)
    sums = [0.0] * (depth - size + 1)
    for ids in sentences:  # one forward pass for each block size, as the released code does
        hidden = states(model, ids)
        for start in range(depth - size + 1):
            a, b = hidden[start][-1].double(), hidden[start + size][-1].double()
            cosine = (a @ b / (a.norm() * b.norm())).clamp(-1, 1)
            sums[start] += (torch.arccos(cosine) / torch.pi).item()
    return [total / len(sentences) for total in sums]


def block_cosines(model: PreTrainedModel, sentences: list[Tensor], size: int) -> list[float]:
    """Mean over all tokens of cos(x_l, x_{l+size}) for l = 0..L-size."""
    depth = len(model.model.layers)
    cosines: list[list[Tensor]] = [[] for _ in range(depth - size + 1)]
    for ids in sentences:
        hidden = states(model, ids)
        for start in range(depth - size + 1):
            pair = hidden[start].double(), hidden[start + size].double()
            cosines[start].append(nn.functional.cosine_similarity(*pair, dim=-1))
    return [torch.cat(each).mean().item() for each in cosines]


# --- attention and MLP apart ------------------------------------------------------------------------------------------


class MaskedLayer(nn.Module):
    """A Llama layer with some of its parts left out, as BlockPruner's released code runs it."""

    def __init__(self, layer: nn.Module, masked: set[str]) -> None:
        super().__init__()
        self.layer, self.masked = layer, masked

    def forward(self, states: Tensor, **given) -> Tensor:
        if "attention" not in self.masked:
            states = states + self.layer.self_attn(self.layer.input_layernorm(states), **given)[0]
        if "mlp" not in self.masked:
            states = states + self.layer.mlp(self.layer.post_attention_layernorm(states))
        return states


def blockpruner(
    model: PreTrainedModel, sentences: list[Tensor], remove: int
) -> tuple[list[tuple[str, int]], list[float]]:
    """The parts in the order of removal, and every candidate's summed negative log likelihood."""
    layers = model.model.layers
    candidates = [(part, number) for part in ("attention", "mlp") for number in range(len(layers))]
    removed: list[tuple[str, int]] = []
    seen = []
    for _ in range(remove):
        lowest, choice = float("inf"), None
        for candidate in candidates:
            if candidate in removed:
                continue
            gone = [*removed, candidate]
            model.model.layers = nn.ModuleList(
                MaskedLayer(layer, {part for part, place in gone if place == number})
                for number, layer in enumerate(layers)
            )
            likelihood = negative_log_likelihood(model, [], sentences)
            seen.append(likelihood)
            if likelihood < lowest:
                lowest, choice = likelihood, candidate
        removed.append(choice)
    model.model.layers = layers
    return removed, seen


def part_importance(model: PreTrainedModel, sentences: list[Tensor]) -> dict[tuple[str, int], float]:
    """LLM-Drop's 1 - cos(x, x + part(norm(x))), mean over all tokens, x taken at the norm before the part."""
    caught: dict[str, Tensor] = {}
    found: dict[tuple[str, int], list[Tensor]] = {}

    def note(name):
        return lambda _module, args, out: caught.update(
            {name: args[0] if name == "input" else out[0] if isinstance(out, tuple) else out}
        )

    for number, layer in enumerate(model.model.layers):
        for part, norm, module in (
            ("attention", layer.input_layernorm, layer.self_attn),
            ("mlp", layer.post_attention_layernorm, layer.mlp),
        ):
            hooks = [norm.register_forward_hook(note("input")), module.register_forward_hook(note("output"))]
            for ids in sentences:
                with torch.no_grad():
                    model(ids, use_cache=False)
                x = caught["input"].double()
                cosines = nn.functional.cosine_similarity(x, x + caught["output"].double(), dim=-1)
                found.setdefault((part, number), []).append(1 - cosines.flatten())
            for hook in hooks:
                hook.remove()
    return {key: torch.cat(values).mean().item() for key, values in found.items()}
