"""Building the planned checkpoint: the only file that edits layers, layer_idx and config.

A new config with every per-layer field cut to the kept layers, a new model from it, and the donor's tensors under their
new layer numbers. What cannot be exact is refused: unsupported families by config_fields.py, and anything that slips
through by comparing every kept layer's settings before and after.
"""

import copy
from collections.abc import Iterator
from itertools import chain

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from prune_core.cut import config_fields as fields
from prune_core.cut import edits, parts, same_layers
from prune_core.cut.config_fields import rewritten_config
from prune_core.model.stack import find_stack
from prune_core.model.transformers_parts import no_init_weights
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Plan

OTHER_FAMILY = "choose a model of another family."


def check_supported(config: PretrainedConfig, plan: Plan | None = None, fitted: edits.Fitted = edits.NOTHING) -> None:
    """Raises UserError with the reason if cutting layers of this model (by this plan) cannot be exact."""
    text = config.get_text_config(decoder=True)
    for model_type in (config.model_type, text.model_type):
        if model_type in fields.REFUSED_FAMILIES:
            reason = fields.REFUSED_FAMILIES[model_type]
            raise UserError(f"Layers of {model_type} models cannot be cut exactly, because {reason}: {OTHER_FAMILY}")
    for name, harmless, reason in fields.REFUSED_SETTINGS:
        for part in (config, text):
            value = getattr(part, name, None)
            if value not in harmless:
                raise UserError(
                    f"Layers of this {part.model_type} model ({name} = {value!s:.40}) cannot be cut exactly, "
                    f"because {reason}: choose another model."
                )
    if plan is not None:
        _check_plan(text, plan, fitted)


def _check_plan(text: PretrainedConfig, plan: Plan, fitted: edits.Fitted) -> None:
    edits.check_offered(plan, fitted)
    if plan.num_layers != text.num_hidden_layers:
        raise UserError(
            f"The plan is for {plan.num_layers} layers, but this model has {text.num_hidden_layers}: make a new plan."
        )


# --- config -----------------------------------------------------------------------------------------------------------


# --- model ------------------------------------------------------------------------------------------------------------


def build(
    model: PreTrainedModel,
    plan: Plan,
    device: str | torch.device | None = None,
    fitted: edits.Fitted = edits.NOTHING,
) -> PreTrainedModel:
    """A new model that computes the plan, with the donor's dtypes, on the donor's device or on `device`.

    `fitted`: the weights of the plan's Replace edits.

    The donor is not touched and shares no memory with it; besides the donor, only the new weights take memory. Raises
    UserError if the result would not be exact.
    """
    check_supported(model.config, plan, fitted)
    edits.check_buildable(plan)
    parts.check_plan(model, plan)
    stack = find_stack(model)
    new = _without_weights(model, plan)
    new_layers = find_stack(new).layers
    same_layers.check(stack.layers, new_layers, plan.kept)
    _copy_tensors(model, new, stack.path, plan, device)
    for layer, weights in edits.changed_weights(plan, stack.layers, fitted).items():
        parameters = dict(new_layers[plan.kept.index(layer)].named_parameters())
        for name, tensor in weights.items():
            parameters[name].data.copy_(tensor)
    new.generation_config = copy.deepcopy(model.generation_config)
    return new.train(model.training)


def _without_weights(model: PreTrainedModel, plan: Plan) -> PreTrainedModel:
    """The new model on the meta device, where weights take no memory, except for the buffers that no checkpoint holds
    (rotary frequencies, masks): these are computed as they will be when the checkpoint is loaded."""
    try:
        with torch.device("meta"), no_init_weights():
            new = type(model)(rewritten_config(model.config, plan))
    except (ValueError, StrictDataclassError) as error:
        raise UserError(
            f"A {model.config.model_type} model without layers {plan.removed} is not valid "
            f"({' '.join(str(error).split())}): choose other layers."
        ) from error
    for name, buffer in list(new.named_non_persistent_buffers()):
        _put(new, name, torch.zeros_like(buffer, device="cpu"))
    new.initialize_weights()
    return new


def _copy_tensors(
    donor: PreTrainedModel, new: PreTrainedModel, path: str, plan: Plan, device: str | torch.device | None
) -> None:
    """Gives `new` a copy of every parameter and buffer of the donor's kept part, and checks that none is left over.

    Parameters that the donor ties stay tied. `path` is where the layers are, in both models.
    """
    sources, saved = dict(_tensors(donor)), new.state_dict().keys()
    copies: dict[int, nn.Parameter] = {}
    for name, blank in list(_tensors(new)):
        old_name = _donor_name(name, path, plan.kept)
        source = sources.get(old_name)
        if source is None or source.shape != blank.shape or source.is_meta:
            raise UserError(f"The cut model's {name} does not match {old_name} of this model: {OTHER_FAMILY}")
        if not isinstance(source, nn.Parameter):
            source = sources.get(_unstretched(old_name), source)
            if name not in saved and not torch.allclose(blank.to(source), source):
                raise UserError(f"The cut model would compute a different {name} from this model's: {OTHER_FAMILY}")
            _put(new, name, source.to(device or source.device, copy=True))
            continue
        if id(source) not in copies:
            data = source.detach().to(device or source.device, copy=True)
            copies[id(source)] = nn.Parameter(data, requires_grad=source.requires_grad)
        _put(new, name, copies[id(source)])
    removed = tuple(f"{path}.{layer}." for layer in plan.removed)
    left = {name for name in donor.state_dict() if not name.startswith(removed)}
    left -= {_donor_name(name, path, plan.kept) for name in saved}
    if left:
        raise UserError(f"The cut model has no place for {min(left)} of this model: {OTHER_FAMILY}")


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """All parameters and buffers by name; a tied one appears under each of its names."""
    return chain(model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False))


def _donor_name(name: str, path: str, kept: tuple[int, ...]) -> str:
    """A tensor's name in the new model -> its name in the donor: {path}.{new}.* -> {path}.{old}.*"""
    if not name.startswith(f"{path}."):
        return name
    number, _, rest = name.removeprefix(f"{path}.").partition(".")
    return f"{path}.{kept[int(number)]}.{rest}"


def _unstretched(name: str) -> str:
    """Dynamic rotary embeddings stretch `inv_freq` after a long text; a new model starts from the original."""
    return name.removesuffix("inv_freq") + "original_inv_freq"


def _put(model: nn.Module, name: str, tensor: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(owner), leaf, tensor)
