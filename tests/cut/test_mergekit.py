"""The mergekit recipe names the kept layers, and warns exactly where changing the layer count alone goes wrong."""

import copy
from pathlib import Path

import pytest
import yaml
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from prune_core.cut.mergekit import mergekit_recipe, warnings
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import ModelRef
from prune_core.schema.plan import Merge, Plan, drop_plan
from tests.fixtures.tiny import FAMILIES, tiny_config

PLAN = drop_plan(6, (1, 3, 4))


def test_slices_are_the_kept_runs_with_exclusive_ends() -> None:
    text = mergekit_recipe(PLAN, ModelRef("someone/model"), "bfloat16", tiny_config("llama"))
    recipe = yaml.safe_load(text)
    sources = [piece["sources"][0] for piece in recipe["slices"]]
    assert [source["layer_range"] for source in sources] == [[0, 1], [2, 3], [5, 6]]
    assert {source["model"] for source in sources} == {"someone/model"}
    assert (recipe["merge_method"], recipe["dtype"]) == ("passthrough", "bfloat16")
    assert "WARNING" not in text
    of_revision = mergekit_recipe(PLAN, ModelRef("someone/model", "v2"), "bfloat16", tiny_config("llama"))
    assert of_revision == text.replace("someone/model", "someone/model@v2")


@pytest.mark.parametrize("family", FAMILIES)
def test_warns_exactly_where_the_count_alone_is_not_enough(family: str, tmp_path: Path) -> None:
    config = tiny_config(family)
    told = " ".join(warnings(PLAN, config))
    try:  # what mergekit does: the donor's config with another number of layers
        written = copy.deepcopy(config)
        written.num_hidden_layers = 3
        written.save_pretrained(tmp_path)
        AutoConfig.from_pretrained(tmp_path)
        loads = True
    except (ValueError, StrictDataclassError):
        loads = False
    assert ("rejected" in told) == (not loads)
    if family in ("llama", "mistral", "opt", "gpt2", "bloom"):  # they store nothing by layer
        assert not told
    if family == "qwen3_moe":
        assert "mlp_only_layers" in told and "computes something else" in told


def test_other_edits_are_refused() -> None:
    plan = Plan(6, (Merge(1, (2,)),))
    with pytest.raises(UserError, match=r"only drop whole layers.*merge layer 2"):
        mergekit_recipe(plan, ModelRef("m"), "float32", tiny_config("llama"))
