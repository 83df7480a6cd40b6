"""The tables of per-layer config fields, held against what transformers itself has."""

import re
from pathlib import Path

import pytest
import transformers
from transformers import AutoConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from prune_core.cut import config_fields as fields

LISTS = (*fields.ONE_PER_LAYER, *fields.LAYER_NUMBERS, *fields.LAYER_NUMBERS_FROM_1, *fields.BY_LAYER_NUMBER)

INVALID = ("gemma4_assistant",)
"""Families whose default config transformers itself refuses."""


@pytest.fixture(scope="module")
def configurations() -> str:
    """The source of every config class of transformers."""
    files = Path(transformers.__file__).parent.glob("models/*/configuration_*.py")
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_no_field_is_in_two_tables_and_every_one_exists(configurations: str) -> None:
    every = (*LISTS, *fields.FIRST_LAYERS, *fields.LAYER_COUNTS)
    assert len(set(every)) == len(every)
    unknown = [name for name in (*every, *(name for name, *_ in fields.REFUSED_SETTINGS)) if name not in configurations]
    assert set(unknown) <= {"quantization_config"}  # which quantised checkpoints bring along


def test_refused_families_exist(configurations: str) -> None:
    known = set(re.findall(r'model_type = "([^"]+)"', configurations))
    assert set(fields.REFUSED_FAMILIES) <= known


def test_no_list_with_an_entry_a_layer_is_forgotten() -> None:
    """In every family's default config, a list as long as the model is deep is in a table, or the family refused."""
    forgotten, seen = set(), 0
    for family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        if family in fields.REFUSED_FAMILIES or family in INVALID:
            continue
        text = AutoConfig.for_model(family).get_text_config(decoder=True)
        if text.model_type in fields.REFUSED_FAMILIES or _refused(text):
            continue
        depth = getattr(text, "num_hidden_layers", None)
        if isinstance(depth, int) and depth > 3:
            seen += 1
            data = text.to_dict()
            found = {name for name, value in data.items() if isinstance(value, list) and len(value) == depth}
            forgotten |= {f"{family}.{name}" for name in found - set(LISTS)}
    assert forgotten == set() and seen > 100


def _refused(config) -> bool:
    return any(getattr(config, name, None) not in harmless for name, harmless, _ in fields.REFUSED_SETTINGS)
