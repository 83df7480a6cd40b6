"""A plan as a mergekit recipe, and whether the model that mergekit makes from it will be the planned one.

mergekit (arXiv 2403.13257) copies the layers of each slice and then changes one thing in the config, the number of
layers. So its result is wrong in every other config field that a cut must change.
"""

import copy
import json
from itertools import pairwise

from huggingface_hub.errors import StrictDataclassError
from transformers import PretrainedConfig

from prune_core.cut import config_fields
from prune_core.cut.config_fields import rewritten_config
from prune_core.schema import demo
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import ModelRef
from prune_core.schema.plan import Drop, Plan
from prune_core.schema.wording import describe

FILE = "mergekit.yaml"


def is_expressible(plan: Plan) -> bool:
    """Whether mergekit can carry out the plan: of our edits it can only drop layers."""
    return all(isinstance(edit, Drop) for edit in plan.edits)


def mergekit_recipe(plan: Plan, ref: ModelRef, dtype: str, config: PretrainedConfig) -> str:
    """YAML for `mergekit-yaml`: passthrough slices of the layers that stay, end-exclusive as mergekit reads them.

    If mergekit's result would not be the planned model, comments at the top say what goes wrong. dtype: "bfloat16".
    Raises UserError for plans that do more than drop layers.
    """
    if not is_expressible(plan):
        raise UserError(
            f"mergekit can only drop whole layers, but this plan is to {describe(plan)}: build the checkpoint instead."
        )
    name = str(demo.DEMO_MODEL) if ref.path == "demo" else ref.path
    model = json.dumps(f"{name}@{ref.revision}" if ref.revision else name)
    lines = [f"# {line}" for line in warnings(plan, config)]
    lines.append("slices:")
    for start, stop in _runs(plan.kept):
        lines += ["  - sources:", f"      - model: {model}", f"        layer_range: [{start}, {stop}]"]
    lines += ["merge_method: passthrough", f"dtype: {dtype}"]
    return "\n".join(lines) + "\n"


def warnings(plan: Plan, config: PretrainedConfig) -> list[str]:
    """What goes wrong if only the number of layers is changed, a sentence each; empty if mergekit is right."""
    wrong = _left_wrong(plan, config)
    if not wrong:
        return []
    fate = "computes something else" if _loads(plan, config) else "is rejected by transformers when loaded"
    return [
        f"WARNING: mergekit does not change {', '.join(sorted(wrong))} in the config, so its result {fate}.",
        "The checkpoint that LayerScope builds from this plan is correct: use that one.",
    ]


def _left_wrong(plan: Plan, config: PretrainedConfig) -> set[str]:
    """The fields, besides the number of layers, in which the planned model's config differs from the donor's."""
    donor, planned = (c.get_text_config().to_dict() for c in (config, rewritten_config(config, plan)))
    alias = config.get_text_config().attribute_map.get("num_hidden_layers", "")
    return {name for name in donor if donor[name] != planned.get(name)} - {*config_fields.LAYER_COUNTS, alias}


def _loads(plan: Plan, config: PretrainedConfig) -> bool:
    """Whether the config that mergekit writes is one that transformers accepts."""
    written = copy.deepcopy(config)
    written.get_text_config().num_hidden_layers = len(plan.kept)
    try:
        type(config).from_dict(written.to_dict())
    except (ValueError, StrictDataclassError):
        return False
    return True


def _runs(kept: tuple[int, ...]) -> list[tuple[int, int]]:
    """Contiguous runs of layers as half-open ranges: (0, 1, 4) -> [(0, 2), (4, 5)]."""
    cuts = [place + 1 for place, (one, next_one) in enumerate(pairwise(kept)) if next_one != one + 1]
    starts, stops = [0, *cuts], [*cuts, len(kept)]
    return [(kept[start], kept[stop - 1] + 1) for start, stop in zip(starts, stops, strict=True)]
