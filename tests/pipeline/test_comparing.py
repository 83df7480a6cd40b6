"""A checkpoint is built once; parts of another model, text or task are never mixed with it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from prune_core.cut.mergekit import FILE
from prune_core.model.load import load
from prune_core.pipeline.comparing import CHECKPOINT, build_and_compare
from prune_core.pipeline.house import open_store
from prune_core.pipeline.residents import Resident
from prune_core.schema.errors import UserError
from prune_core.schema.plan import DropPart, Plan
from prune_core.schema.progress import Silent
from tests.fixtures.small_run import LAYERS, lasting, small_spec

RUN = "run-20260101-000000-0001"


def test_a_built_checkpoint_serves_again_and_a_changed_text_is_refused(tmp_path: Path) -> None:
    spec, store = small_spec(tmp_path), open_store(tmp_path / "home")
    store.save_spec(RUN, spec)
    resident = Resident(load(spec.model))
    first = build_and_compare(store, RUN, resident, spec, Silent())
    folder = store.folder(RUN) / CHECKPOINT
    weights = next(folder.glob("*.safetensors")).stat().st_mtime_ns
    config = json.loads((folder / "config.json").read_text())
    assert config["num_hidden_layers"] == LAYERS - 2 == first.pruned.num_layers and first.donor.num_layers == LAYERS
    assert (folder / FILE).is_file() and first.build_seconds is not None
    again = build_and_compare(store, RUN, resident, spec, Silent())
    assert next(folder.glob("*.safetensors")).stat().st_mtime_ns == weights and again.build_seconds is None
    assert lasting(again) == lasting(first)
    (tmp_path / "text.txt").write_text("another text\n\n" * 20, encoding="utf-8")
    with pytest.raises(UserError, match="changed since this run started"):
        build_and_compare(store, RUN, resident, spec, Silent())


def test_what_mergekit_cannot_make_has_no_recipe_for_it(tmp_path: Path) -> None:
    spec, store = small_spec(tmp_path), open_store(tmp_path / "home")
    spec = replace(spec, plan=Plan(LAYERS, (DropPart("mlp", (2,)),)))
    store.save_spec(RUN, spec)
    build_and_compare(store, RUN, Resident(load(spec.model)), spec, Silent())
    folder = store.folder(RUN) / CHECKPOINT
    assert not (folder / FILE).exists() and "drop the MLP of layer 2" in (folder / "README.md").read_text()
