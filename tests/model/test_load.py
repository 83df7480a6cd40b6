"""Models load from safetensors only, are told from metadata first, and fail in one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, PreTrainedModel, T5Config, ViTConfig, XLNetConfig

from prune_core.model import checkpoint, device
from prune_core.model import load as loading
from prune_core.model.checkpoint import resolve
from prune_core.model.load import inspect, load, room_for
from prune_core.model.stack import find_stack
from prune_core.schema import demo
from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.inputs import ModelRef
from prune_core.schema.progress import Silent
from tests.fixtures.tiny import CONTEXT, FAMILIES, HIDDEN, VOCAB, tiny_ids, tiny_model, tiny_tokenizer

WEIGHTS = "model.safetensors"


def saved(folder: Path, family: str = "llama", **how: Any) -> Path:
    tiny_model(family, layers=2).save_pretrained(folder, **how)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def rewrite_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(path: Path | str, **how: Any) -> str:
    """The sentence that `load` refuses with."""
    with pytest.raises(UserError) as caught:
        load(ModelRef(str(path), **how))
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


# --- what works ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_loads_and_its_stack_is_found(family: str, tmp_path: Path) -> None:
    original = tiny_model(family, layers=3)
    original.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    before, loaded = inspect(ModelRef(str(tmp_path))), load(ModelRef(str(tmp_path)))
    ids = tiny_ids(2, 12)
    with torch.no_grad():
        assert torch.equal(loaded.model(ids).logits, original(ids).logits)
    stack = loaded.stack
    assert len(stack.layers) == 3
    assert loaded.model.get_submodule(stack.path) is stack.layers
    assert stack.norm is not None
    assert stack.embedding is loaded.model.get_input_embeddings()
    assert stack.head is loaded.model.get_output_embeddings()
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())
    info = loaded.info
    assert (info.family, info.num_layers, info.hidden_size, info.vocab_size) == (family, 3, HIDDEN, VOCAB)
    assert info.parameters == sum(p.numel() for p in original.parameters())
    assert info.weight_bytes == 4 * info.parameters
    assert (info.dtype, info.stored_dtype, info.device) == ("float32", "float32", device.choose_device("auto"))
    assert info.context_length == CONTEXT
    for name in ("parameters", "weight_bytes", "family", "num_layers", "dtype", "stored_dtype", "context_length"):
        assert getattr(before, name) == getattr(info, name)


def test_half_precision_checkpoints_compute_in_float32_on_a_cpu_unless_asked_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cpu_has_bfloat16", lambda: False)
    saved(tmp_path)
    tiny_model("llama", 2).bfloat16().save_pretrained(tmp_path)
    loaded = load(ModelRef(str(tmp_path), device="cpu"))
    assert (loaded.info.stored_dtype, loaded.info.dtype, loaded.model.dtype) == ("bfloat16", "float32", torch.float32)
    asked = load(ModelRef(str(tmp_path), device="cpu", dtype="bfloat16"))
    assert asked.model.dtype == torch.bfloat16
    assert asked.info.weight_bytes * 2 == loaded.info.weight_bytes


@pytest.mark.parametrize(
    ("told", "there"),
    [
        ({}, False),
        ({"avx512_bf16": False, "avx2": True}, False),
        ({"amx_bf16": True}, True),
        ({"arm_bf16": True}, True),
    ],
)
def test_a_cpu_with_instructions_for_bfloat16_computes_in_it(
    told: dict[str, bool], there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told)
    assert device.cpu_has_bfloat16() is there
    tiny_model("llama", 2).bfloat16().save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    loaded = load(ModelRef(str(tmp_path), device="cpu"))
    assert loaded.info.dtype == str(loaded.model.dtype).removeprefix("torch.") == ("bfloat16" if there else "float32")
    assert device.choose_dtype("auto", "float16", "cpu") == device.choose_dtype("auto", "float32", "cpu") == "float32"


def test_auto_dtype_follows_the_checkpoint_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert device.choose_dtype("auto", "bfloat16", "cuda") == "bfloat16"
    assert device.choose_dtype("auto", "float32", "cuda") == "float32"
    assert device.choose_dtype("auto", "float16", "mps") == "float16"
    assert device.choose_dtype("float16", "bfloat16", "cpu") == "float16"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert device.choose_dtype("auto", "bfloat16", "cuda:0") == "float32"


def test_a_family_without_a_limit_has_a_very_long_context(tmp_path: Path) -> None:
    saved(tmp_path, "bloom")
    config = json.loads((tmp_path / "config.json").read_text())
    del config["max_position_embeddings"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert inspect(ModelRef(str(tmp_path))).context_length == loading.NO_LIMIT


def test_sharded_checkpoints_are_counted_and_loaded(tmp_path: Path) -> None:
    saved(tmp_path, max_shard_size="40KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    loaded = load(ModelRef(str(tmp_path)))
    assert torch.equal(loaded.model(tiny_ids(1, 5)).logits, tiny_model("llama", 2)(tiny_ids(1, 5)).logits)


def test_demo_means_the_model_in_assets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert resolve(ModelRef("demo")) == str(demo.DEMO_MODEL)
    assert resolve(ModelRef("owner/name")) == "owner/name"
    monkeypatch.setattr(demo, "DEMO_MODEL", saved(tmp_path))
    assert load(ModelRef("demo")).folder == tmp_path


def test_a_tokenizer_that_comes_as_sentencepiece_alone_loads(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("\n".join(f"the number {n} is a word and word {n * 7} is a number" for n in range(500)))
    folder = tmp_path / "model"
    tiny_model("llama", 2).save_pretrained(folder)
    given = {"model_prefix": str(folder / "tokenizer"), "vocab_size": 340, "model_type": "bpe"}
    sentencepiece.SentencePieceTrainer.train(input=str(words), byte_fallback=True, minloglevel=2, **given)  # pyright: ignore[reportAttributeAccessIssue]
    (folder / "tokenizer.vocab").unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    tokenizer = load(ModelRef(str(folder), device="cpu")).tokenizer
    own = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    for text in ("the number 7", "word and 3,500 words"):
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == own.encode(text)


def test_progress_tells_stages_and_can_stop_the_load(tmp_path: Path) -> None:
    class Told(Silent):
        def __init__(self, stop: int) -> None:
            self.stages: list[str] = []
            self.done, self.stop = 0, stop

        def stage(self, name: str, total: int, unit: str = "steps") -> None:
            self.stages.append(name)

        def advance(self, done: int = 1) -> None:
            self.done += done
            if self.done >= self.stop:
                raise Cancelled

    saved(tmp_path)
    told = Told(stop=10**9)
    load(ModelRef(str(tmp_path)), told)
    assert told.stages == ["reading the model's metadata", "loading weights", "reading the tokenizer"]
    assert told.done == 2 + len(load_file(tmp_path / WEIGHTS))
    with pytest.raises(Cancelled):
        load(ModelRef(str(tmp_path)), Told(stop=4))


def test_custom_code_runs_only_when_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(tmp_path / "modules")
    folder = saved(tmp_path / "own_model")
    (folder / "own.py").write_text(
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
        "class OwnForCausalLM(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    rewrite_config(
        folder,
        model_type="own",
        architectures=["OwnForCausalLM"],
        auto_map={"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"},
    )
    assert "select 'Run the model's own code' only if you trust its author" in refused(folder)
    loaded = load(ModelRef(str(folder), trust_remote_code=True))
    assert type(loaded.model).__name__ == "OwnForCausalLM"
    assert loaded.info.family == "own"


# --- what is refused -------------------------------------------------------------------------------------------------


def test_paths_and_devices_that_are_not_there(tmp_path: Path) -> None:
    assert "no folder" in refused(tmp_path / "nowhere")
    assert "no config.json" in refused(tmp_path)
    assert "neither a path nor a hub id" in refused("not an id")
    assert "no device 'cuda:99'" in refused(saved(tmp_path / "m"), device="cuda:99")
    assert "no device 'tpu'" in refused(tmp_path / "m", device="tpu")


@pytest.mark.parametrize(
    ("config", "architecture"),
    [(BertConfig(), "BertForMaskedLM"), (T5Config(), "T5ForConditionalGeneration"), (ViTConfig(), "ViTModel")],
)
def test_models_that_are_not_causal_are_named(config: Any, architecture: str, tmp_path: Path) -> None:
    saved(tmp_path)
    config.architectures = [architecture]
    config.save_pretrained(tmp_path)
    assert f"not a causal language model ({architecture})" in refused(tmp_path)


def test_a_saved_bert_is_refused_though_transformers_would_load_it(tmp_path: Path) -> None:
    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    BertForMaskedLM(config).save_pretrained(tmp_path)
    assert "not a causal language model (BertForMaskedLM)" in refused(tmp_path)


def test_a_family_whose_layers_are_not_found_is_unsupported(tmp_path: Path) -> None:
    saved(tmp_path)
    config = XLNetConfig(vocab_size=50, d_model=16, n_layer=2, n_head=2, d_inner=16)
    config.architectures = ["XLNetLMHeadModel"]
    config.save_pretrained(tmp_path)
    assert "'xlnet' is not supported" in refused(tmp_path)


def test_a_stack_shorter_than_its_config_is_unsupported() -> None:
    broken: PreTrainedModel = tiny_model("llama", 3)
    broken.config.num_hidden_layers = 4
    with pytest.raises(UserError, match="has 3 layers but its config says 4"):
        find_stack(broken)


def test_configs_that_are_wrong(tmp_path: Path) -> None:
    saved(tmp_path)
    whole = (tmp_path / "config.json").read_text()
    for changes, told in (
        ({"model_type": "nonesuch"}, "model type 'nonesuch', unknown to transformers"),
        ({"num_hidden_layers": "two"}, "is not valid"),
        ({"quantization_config": {"quant_method": "gptq"}}, "is quantised"),
        ({"num_hidden_layers": 3}, "lack 9 tensors, the first model.layers.2."),
        ({"hidden_size": 64}, "do not match its config.json"),
    ):
        (tmp_path / "config.json").write_text(whole)
        rewrite_config(tmp_path, **changes)
        assert told in refused(tmp_path)
    (tmp_path / "config.json").write_text(whole[:50])
    assert "not valid JSON" in refused(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    assert "not a JSON object" in refused(tmp_path)


def test_weights_that_are_broken_cut_short_or_missing(tmp_path: Path) -> None:
    whole = (saved(tmp_path) / WEIGHTS).read_bytes()
    for data in (whole[:-100], whole[:200], whole[:4], b"", whole + b"x", b"\xff" * 4096):
        (tmp_path / WEIGHTS).write_bytes(data)
        assert "broken" in refused(tmp_path)
    garbled = bytearray(whole)
    garbled[8:20] = b"?" * 12
    (tmp_path / WEIGHTS).write_bytes(garbled)
    assert "header cannot be read" in refused(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    assert f"lacks the weight file {WEIGHTS}" in refused(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never opened")
    assert "convert them" in refused(tmp_path)


def test_a_missing_shard_a_bad_index_and_missing_tensors(tmp_path: Path) -> None:
    saved(tmp_path / "sharded", max_shard_size="40KB")
    gone = sorted((tmp_path / "sharded").glob("*.safetensors"))[1]
    gone.unlink()
    assert f"lacks the weight file {gone.name}" in refused(tmp_path / "sharded")
    (tmp_path / "sharded" / checkpoint.INDEX).write_text("{}")
    assert "has no weight_map" in refused(tmp_path / "sharded")

    saved(tmp_path / "whole")
    weights = load_file(tmp_path / "whole" / WEIGHTS)
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, tmp_path / "whole" / WEIGHTS, metadata={"format": "pt"})
    assert "lack 1 tensors, the first model.layers.1.mlp.up_proj.weight" in refused(tmp_path / "whole")


def test_integer_weights_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    integers = {name: torch.zeros(w.shape, dtype=torch.int8) for name, w in load_file(tmp_path / WEIGHTS).items()}
    save_file(integers, tmp_path / WEIGHTS, metadata={"format": "pt"})
    assert "stores I8, not plain float weights" in refused(tmp_path)


def test_tokenizers_that_are_missing_or_broken(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    assert "tokenizer of" in refused(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    assert "has no tokenizer" in refused(tmp_path)


def test_a_model_that_does_not_fit_is_refused_before_its_weights_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path)
    needed = inspect(ModelRef(str(tmp_path))).weight_bytes
    monkeypatch.setattr(loading, "free_bytes", lambda _device: int(needed * 1.1))
    monkeypatch.setattr(checkpoint, "fetch", lambda *_: pytest.fail("weights were asked for"))
    assert not room_for(inspect(ModelRef(str(tmp_path))))
    assert "does not fit" in refused(tmp_path)
    monkeypatch.setattr(loading, "free_bytes", lambda _device: int(needed * 1.3))
    assert room_for(inspect(ModelRef(str(tmp_path))))


def test_free_memory_heeds_a_container(tmp_path: Path) -> None:
    assert device.free_bytes("cpu") > 0
    assert device._container_spare(tmp_path) == 2**63
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 300\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert device._container_spare(tmp_path) == 2**63
    (tmp_path / "memory.max").write_text("1000\n")
    assert device._container_spare(tmp_path) == 400
