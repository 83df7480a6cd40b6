"""Memory figures against what can be worked out by hand."""

import pytest
import torch
from safetensors.torch import save_file

from prune_core.evaluate.memory import cache_bytes_per_token, memory, weight_bytes
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import SpeedSettings
from prune_core.schema.reports import Metric
from tests.fixtures.tiny import CONTEXT, tiny_model

SETTINGS = SpeedSettings(batch=2, prompt_tokens=16, new_tokens=4)


def by_name(metrics: tuple[Metric, ...]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_and_weights_count_tied_ones_once(tied):
    model = tiny_model("llama", 2, tie_word_embeddings=tied)
    found = by_name(memory(model, settings=SETTINGS))
    shapes = {p.data_ptr(): p.numel() for p in model.state_dict().values()}
    assert found["parameters"].value == sum(shapes.values())
    buffers = sum(b.nbytes for b in model.buffers())
    assert found["weights"].value == 4 * sum(shapes.values()) + buffers
    assert weight_bytes(model.bfloat16()) < found["weights"].value


@pytest.mark.parametrize(
    ("family", "layers", "heads"), [("llama", 3, 2), ("gemma2", 4, 2), ("mistral", 3, 2), ("gpt2", 3, 4), ("opt", 3, 4)]
)
def test_cache_bytes_per_token(family, layers, heads):
    keys_and_values, head_size, item = 2, 8, 4
    assert cache_bytes_per_token(tiny_model(family, layers)) == keys_and_values * layers * heads * head_size * item


def test_peak_repeats_and_grows_with_the_work():
    model = tiny_model("llama", 3)
    small = by_name(memory(model, settings=SETTINGS))["peak memory"]
    assert small == by_name(memory(model, settings=SETTINGS))["peak memory"]
    assert small.task == "batch 2, 16 + 4 tokens"
    cache = 2 * (16 + 3) * cache_bytes_per_token(model)
    assert small.value > weight_bytes(model) + cache
    large = by_name(memory(model, settings=SpeedSettings(batch=4, prompt_tokens=64, new_tokens=4)))["peak memory"]
    assert large.value > small.value
    fewer_layers = by_name(memory(tiny_model("llama", 1), settings=SETTINGS))["peak memory"]
    assert fewer_layers.value < small.value


def test_peak_sees_a_tensor_of_known_size():
    model = tiny_model("llama", 1)
    before = by_name(memory(model, settings=SETTINGS))["peak memory"].value
    kept: list[torch.Tensor] = []
    hook = model.model.layers[0].register_forward_pre_hook(lambda *_: kept.append(torch.zeros(2**20)))
    after = by_name(memory(model, settings=SETTINGS))["peak memory"].value
    hook.remove()
    assert after - before == pytest.approx(4 * 2**20 * SETTINGS.new_tokens, rel=0.02)


def test_disk_counts_weight_files_only(tmp_path):
    save_file({"w": torch.zeros(100)}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"v": torch.zeros(50)}, tmp_path / "model-00002-of-00002.safetensors")
    (tmp_path / "tokenizer.json").write_text("{}" * 1000)
    found = by_name(memory(tiny_model("llama", 1), tmp_path, SETTINGS))["checkpoint"]
    assert found.value == sum(file.stat().st_size for file in tmp_path.glob("*.safetensors"))
    assert found.unit == "bytes"
    one = tmp_path / "one"
    one.mkdir()
    save_file({"w": torch.zeros(100)}, one / "model.safetensors")
    told = by_name(memory(tiny_model("llama", 1), one, SETTINGS))["checkpoint"]
    assert told.note == found.note, "what differs in how it was measured is not compared"


def test_errors_are_sentences(tmp_path):
    model = tiny_model("llama", 1)
    with pytest.raises(UserError, match="no weight files"):
        memory(model, tmp_path, SETTINGS)
    with pytest.raises(UserError, match="choose shorter ones"):
        memory(model, settings=SpeedSettings(prompt_tokens=CONTEXT, new_tokens=2))
