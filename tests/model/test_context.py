"""The context limit is one number, for loading and for calling, whatever a family calls it."""

import re

import pytest
from transformers import AutoConfig, PretrainedConfig

from prune_core.forward.calling import require_context
from prune_core.model.context import FIELDS, context_limit
from prune_core.model.load import inspect
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import ModelRef
from tests.fixtures.tiny import CONTEXT, FAMILIES, tiny_config, tiny_model
from tests.model.test_load import saved


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_the_limit_that_it_was_made_with(family: str) -> None:
    assert context_limit(tiny_config(family)) == CONTEXT


@pytest.mark.parametrize("name", FIELDS)
def test_every_name_of_the_limit_is_read(name: str) -> None:
    assert context_limit(PretrainedConfig(**{name: 77})) == 77
    assert context_limit(PretrainedConfig(**{name: None})) is None
    assert context_limit(PretrainedConfig(**{name: -1})) is None  # how some families say "none"


def test_in_a_model_of_several_kinds_of_input_it_is_the_text_s() -> None:
    config = AutoConfig.for_model("llava", text_config={"model_type": "llama", "max_position_embeddings": 99})
    assert context_limit(config) == 99


def test_loading_and_calling_agree(tmp_path) -> None:
    saved(tmp_path, "opt")
    limit = inspect(ModelRef(str(tmp_path))).context_length
    model = tiny_model("opt", 2)
    require_context(model, limit, "The prompt has", "shorten it")
    told = f"The prompt has {limit + 1} tokens, more than this model's context of {limit}: shorten it."
    with pytest.raises(UserError, match=f"^{re.escape(told)}$"):
        require_context(model, limit + 1, "The prompt has", "shorten it")
