"""The exported folder: it loads with transformers alone, says what was done, and is there whole or not at all."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoTokenizer

from prune_core.cut.build import build
from prune_core.export.folder import export, model_card, write_card
from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.plan import Drop, DropPart, Plan, drop_plan
from prune_core.schema.reports import Continuation, Metric, Report
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.wording import describe
from tests.fixtures.checkpoints import logits, no_warnings, reloaded
from tests.fixtures.tiny import tiny_model, tiny_tokenizer

PLAN = drop_plan(16, (2, 5, 6), "lowest Block Influence")
SPEC = RunSpec(ModelRef("someone/model", revision="v2"), Calibration(samples=8, seed=3), PLAN, Evaluation())


def result() -> RunResult:
    metrics = (
        Metric("perplexity", "WikiText-2", 12.345, "", False, 0.5, None, 1000, "context 256, stride 128"),
        Metric("accuracy", "facts", 0.875, "fraction", True, 0.02, 0.25, 200),
        Metric("weights on disk", "", 123_000_000, "bytes", False),
    )
    texts = (Continuation("Once", " upon"),)
    return RunResult(
        Report("donor", 16, metrics, texts), Report("pruned", 13, metrics[1:], texts), "checkpoint", {"torch": "2"}, 1.0
    )


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3_moe"])
def test_folder_loads_and_repeats(family: str, tmp_path: Path) -> None:
    donor = tiny_model(family, 4)
    spec = RunSpec(ModelRef(), Calibration(), drop_plan(4, (1,)), Evaluation())
    built = build(donor, spec.plan)
    with no_warnings():
        export(built, tiny_tokenizer(), tmp_path / "out", spec, notes={"note.txt": "told"})
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert torch.equal(logits(reloaded(tmp_path / "out")), logits(built))
    assert tokenizer("Hello!")["input_ids"] == tiny_tokenizer()("Hello!")["input_ids"]
    recipe = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert serial.from_json(RunSpec, recipe) == spec
    names = {file.suffix for file in (tmp_path / "out").iterdir()}
    assert names == {".json", ".safetensors", ".md", ".txt"}
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_the_card_says_that_dropped_parts_save_nothing() -> None:
    edits = (Drop((9,)), DropPart("attention", (1, 2)), DropPart("mlp", (5,)))
    card = model_card(replace(SPEC, plan=Plan(16, edits, "blockpruner")))
    assert "| Layers without attention | 1 to 2: their weights are zeros, so the file is no smaller" in card
    assert "| Layers without MLP | 5: " in card
    assert "Layers without" not in model_card(SPEC)


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    class Broken:
        def save_pretrained(self, folder: Path) -> None:
            raise OSError("disk full")

    model = tiny_model("llama", 2)
    with pytest.raises(OSError, match="disk full"):
        export(model, Broken(), tmp_path / "out", SPEC)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "theirs.txt").write_text("precious")
    with pytest.raises(UserError, match="already exists"):
        export(model, tiny_tokenizer(), tmp_path / "out", SPEC)
    assert (tmp_path / "out" / "theirs.txt").read_text() == "precious"


def test_idle_sampling_settings_do_not_stop_an_export(tmp_path: Path) -> None:
    model = tiny_model("llama", 2)
    model.generation_config.temperature, model.generation_config.max_length = 0.7, 50
    export(model, tiny_tokenizer(), tmp_path / "greedy", SPEC)
    saved = json.loads((tmp_path / "greedy" / "generation_config.json").read_text())
    assert (saved.get("temperature"), saved["max_length"]) == (None, 50)
    assert model.generation_config.temperature == 0.7
    model.generation_config.do_sample = True
    export(model, tiny_tokenizer(), tmp_path / "sampling", SPEC)
    assert json.loads((tmp_path / "sampling" / "generation_config.json").read_text())["temperature"] == 0.7


def test_card_tells_everything() -> None:
    card = model_card(SPEC, result())
    header = yaml.safe_load(card.split("---")[1])
    assert header["base_model"] == "someone/model"
    assert header["library_name"] == "transformers"
    for words in (
        "# someone/model, 13 of 16 layers",
        "drop layers 2, 5 to 6 (3 of 16)",
        "| Layers kept, in order | 0 to 1, 3 to 4, 7 to 15 |",
        "| Chosen | lowest Block Influence |",
        "8 texts of up to 128 tokens, seed 3",
        "revision v2",
        "| | donor, 16 layers | pruned, 13 layers | chance | |",
        "| facts accuracy | 87.5% ± 2.0 | 87.5% ± 2.0 | 25.0% | |",
        "| weights on disk | 123.0 MB | 123.0 MB | | |",
        "AutoModelForCausalLM.from_pretrained",
        "layerscope run recipe.json",
        "Made with torch 2.",
    ):
        assert words in card.replace("|  |", "| |").replace("|  |", "| |"), words
    assert "Before and after" not in model_card(SPEC)


def test_card_keeps_paths_private(tmp_path: Path) -> None:
    folder = tmp_path / "my model: a|b"
    folder.mkdir()
    (tmp_path / "texts.txt").write_text("text")
    spec = RunSpec(ModelRef(str(folder)), Calibration(str(tmp_path / "texts.txt")), PLAN, Evaluation())
    card = model_card(spec)
    assert str(tmp_path) not in card
    assert yaml.safe_load(card.split("---")[1])["base_model"] == "my model: a|b"
    assert "texts.txt: 64 pieces of 128 tokens" in card


def test_card_is_written_again_with_results(tmp_path: Path) -> None:
    write_card(tmp_path, SPEC)
    write_card(tmp_path, SPEC, result())
    assert (tmp_path / "README.md").read_text() == model_card(SPEC, result())
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]


def test_plans_in_words() -> None:
    assert describe(drop_plan(16, range(9, 13))) == "drop layers 9 to 12 (4 of 16)"
    assert describe(drop_plan(16, (5, 2, 6))) == "drop layers 2, 5 to 6 (3 of 16)"
    assert describe(drop_plan(16, (9,))) == "drop layer 9 (1 of 16)"
    assert describe(drop_plan(16, ())) == "keep all 16 layers"
