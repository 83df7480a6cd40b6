"""Building the planned checkpoint: the only file that edits layers, layer_idx and config.

A new config with every per-layer field cut to the kept layers, a new model from it, and the donor's tensors under their
new layer numbers. What cannot be exact is refused: the config's family by config_fields.py, and anything that slips
through by comparing every kept layer's settings, before and after.
"""

import copy
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from prune_core.model import find_stack
from prune_core.transform import config_fields as fields
from prune_core.transform import edits, same_layers
from prune_core.types import Plan, UserError


def check_supported(config: PretrainedConfig, plan: Plan | None = None) -> None:
    """Raises UserError with the reason where cutting layers of this model (by this plan) cannot be exact."""
    text = config.get_text_config(decoder=True)
    for model_type in (config.model_type, text.model_type):
        if model_type in fields.REFUSED_FAMILIES:
            reason = fields.REFUSED_FAMILIES[model_type]
            raise UserError(f"Layers of a {model_type} model cannot be cut exactly, because {reason}: choose another.")
    for name, harmless, reason in fields.REFUSED_SETTINGS:
        for part in (config, text):
            value = getattr(part, name, None)
            if value not in harmless:
                raise UserError(
                    f"Layers of this {part.model_type} model ({name} = {value!s:.40}) cannot be cut exactly, "
                    f"because {reason}: choose another."
                )
    if plan is not None:
        _check_plan(text, plan)


def _check_plan(text: PretrainedConfig, plan: Plan) -> None:
    edits.check_offered(plan)
    if plan.num_layers != text.num_hidden_layers:
        raise UserError(
            f"The plan is for {plan.num_layers} layers, but this model has {text.num_hidden_layers}: make a new plan."
        )


# --- config -----------------------------------------------------------------------------------------------------------


def rewritten_config(config: PretrainedConfig, plan: Plan) -> PretrainedConfig:
    """A new config for the kept layers, as it will be read back from the saved checkpoint; `config` stays as it is.

    In models with a `text_config` inside, that part is rewritten.
    """
    text = config.get_text_config(decoder=True)
    data = config.to_dict()
    _cut_fields(data if text is config else _part_of(config, text, data), text, plan)
    new = type(config).from_dict(data)
    new.name_or_path = config.name_or_path
    new._attn_implementation = config._attn_implementation  # chosen at load time, so no file holds it
    new._experts_implementation = config._experts_implementation
    return new


def _part_of(config: PretrainedConfig, text: PretrainedConfig, data: dict[str, Any]) -> dict[str, Any]:
    """The part of `data` that holds the text model's config."""
    return next(data[name] for name in config.sub_configs if getattr(config, name, None) is text)


def _cut_fields(data: dict[str, Any], text: PretrainedConfig, plan: Plan) -> None:
    kept, layers = plan.kept, plan.num_layers
    new_number = {old: new for new, old in enumerate(kept)}
    _make_step_explicit(data, layers)
    for name in {*fields.LAYER_COUNTS, text.attribute_map.get("num_hidden_layers", "num_hidden_layers")} & set(data):
        data[name] = len(kept)
    for name in _lists(data, fields.ONE_PER_LAYER):
        if len(data[name]) == layers:
            data[name] = [data[name][old] for old in kept]
    for name in _lists(data, fields.LAYER_NUMBERS):
        data[name] = [new_number[old] for old in data[name] if old in new_number]
    for name in _lists(data, fields.LAYER_NUMBERS_FROM_1):
        data[name] = [new_number[old - 1] + 1 for old in data[name] if old - 1 in new_number]
    for name in fields.BY_LAYER_NUMBER:
        if data.get(name):
            data[name] = {str(new_number[int(k)]): v for k, v in data[name].items() if int(k) in new_number}
    for name in fields.FIRST_LAYERS:
        if isinstance(data.get(name), int) and data[name] < layers:
            data[name] = sum(old < data[name] for old in kept)
    _cut_expert_range(data, kept)
    _cut_attention_types(data)


def _lists(data: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    return [name for name in names if isinstance(data.get(name), (list, tuple))]


def _make_step_explicit(data: dict[str, Any], layers: int) -> None:
    """`decoder_sparse_step` n > 1 (experts in every n-th layer) becomes a list of the layers without experts."""
    step = data.get("decoder_sparse_step")
    if isinstance(step, int) and step > 1:
        dense = {layer for layer in range(layers) if (layer + 1) % step} | set(data.get("mlp_only_layers") or [])
        data["decoder_sparse_step"], data["mlp_only_layers"] = 1, sorted(dense)


def _cut_expert_range(data: dict[str, Any], kept: tuple[int, ...]) -> None:
    """Experts in layers `moe_layer_start_index` to `moe_layer_end_index`, both ends meant (ERNIE 4.5)."""
    if isinstance(data.get("moe_layer_start_index"), int) and isinstance(data.get("moe_layer_end_index"), int):
        first, last = data["moe_layer_start_index"], data["moe_layer_end_index"]
        data["moe_layer_start_index"] = sum(old < first for old in kept)
        data["moe_layer_end_index"] = sum(old <= last for old in kept) - 1


def _cut_attention_types(data: dict[str, Any]) -> None:
    """GPT-Neo stores its attention types a second time, as [[pattern, repeats]]; `attention_layers` is cut already."""
    if data.get("attention_types") and data.get("attention_layers"):
        data["attention_types"] = [[list(data["attention_layers"]), 1]]


# --- model ------------------------------------------------------------------------------------------------------------

REPORT = "this family cannot be cut exactly yet, so keep all layers or choose another model."


def build(model: PreTrainedModel, plan: Plan, device: str | torch.device | None = None) -> PreTrainedModel:
    """A new model that computes the plan, with the donor's dtypes, on the donor's device or on `device`.

    The donor is not touched and shares no memory with it; beside the donor, only the new weights take memory. Raises
    UserError where the result would not be exact.
    """
    check_supported(model.config, plan)
    stack = find_stack(model)
    with torch.device("meta"), no_init_weights():
        new = type(model)(rewritten_config(model.config, plan))
    new_layers = find_stack(new).layers
    same_layers.check(stack.layers, new_layers, plan.kept)
    _copy_tensors(model, new, _numbers_of_old(stack.path, plan.kept), device)
    _check_complete(model, new, stack.path, plan)
    for layer, weights in edits.changed_weights(plan, stack.layers).items():
        parameters = dict(new_layers[plan.kept.index(layer)].named_parameters())
        for name, tensor in weights.items():
            parameters[name].data.copy_(tensor)
    new.generation_config = copy.deepcopy(model.generation_config)
    return new.train(model.training)


def _numbers_of_old(path: str, kept: tuple[int, ...]) -> Callable[[str], str]:
    """Turns a tensor's name in the new model into its name in the donor: {path}.{new}.* -> {path}.{old}.*"""

    def donor_name(name: str) -> str:
        if not name.startswith(f"{path}."):
            return name
        number, _, rest = name.removeprefix(f"{path}.").partition(".")
        return f"{path}.{kept[int(number)]}.{rest}"

    return donor_name


def _copy_tensors(
    donor: PreTrainedModel, new: PreTrainedModel, donor_name: Callable[[str], str], device: str | torch.device | None
) -> None:
    """Gives `new`, which is on the meta device, a copy of the donor's every parameter and buffer.

    Buffers that no checkpoint holds (rotary frequencies, masks) are copied like the others: on the meta device the new
    model could not compute them. Parameters that the donor ties stay tied.
    """
    sources = dict(_tensors(donor))
    copies: dict[int, nn.Parameter] = {}
    for name, empty in list(_tensors(new)):
        old_name = donor_name(name)
        source = sources.get(old_name)
        if source is None or source.shape != empty.shape or source.is_meta:
            raise UserError(
                f"The cut model needs a tensor {name} that this model does not hold as {old_name}: {REPORT}"
            )
        if not isinstance(source, nn.Parameter):
            _put(new, name, _copied(sources.get(_unscaled(old_name), source), device))
            continue
        if id(source) not in copies:
            copies[id(source)] = nn.Parameter(_copied(source, device), requires_grad=source.requires_grad)
        _put(new, name, copies[id(source)])


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """All parameters and buffers by name; a tied one comes under each of its names."""
    return chain(model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False))


def _copied(tensor: Tensor, device: str | torch.device | None) -> Tensor:
    return tensor.detach().to(device or tensor.device, copy=True)


def _unscaled(name: str) -> str:
    """Dynamic rotary embeddings stretch `inv_freq` after a long text; a new model starts from the original."""
    return name.removesuffix("inv_freq") + "original_inv_freq"


def _put(model: nn.Module, name: str, tensor: Tensor) -> None:
    path, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(path), leaf, tensor)


def _check_complete(donor: PreTrainedModel, new: PreTrainedModel, path: str, plan: Plan) -> None:
    """Raises UserError unless every tensor of the donor's kept part was taken and none is left without data."""
    removed = tuple(f"{path}.{layer}." for layer in plan.removed)
    taken = {_numbers_of_old(path, plan.kept)(name) for name in new.state_dict()}
    left = sorted({name for name in donor.state_dict() if not name.startswith(removed)} - taken)
    if left:
        raise UserError(f"The cut model has no place for this model's tensor {left[0]}: {REPORT}")
    for name, module in new.named_modules():
        empty = [leaf for leaf, value in vars(module).items() if isinstance(value, Tensor) and value.is_meta]
        if empty:
            raise UserError(f"The cut model's {name}.{empty[0]} is no parameter and no buffer: {REPORT}")
