"""Whatever is typed where a path or a hub id is asked for ends in a sentence, never in a fault."""

import pytest

from prune_core.data.calibration import load_documents
from prune_core.evaluate.jsonl_items import jsonl_file, read_items
from prune_core.evaluate.tasks import folder_of
from prune_core.export.folder import base_name
from prune_core.model.load import inspect
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.fingerprint import fingerprint
from prune_core.schema.inputs import Calibration, HeldOut, ModelRef
from prune_core.schema.paths import given_path, is_file, is_folder
from prune_core.schema.plan import drop_plan
from prune_core.schema.run import RunSpec
from prune_core.schema.wording import model_name, text_name
from prune_core.store.files import copy_folder

NO_PATHS = ["x" * 300, "~nosuchuser/x", "/" + "y" * 5000, "a\0b", "~"]


@pytest.mark.parametrize("text", NO_PATHS)
def test_no_text_is_too_odd_for_a_path_field(text, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    ref, calibration = ModelRef(text), Calibration(text)
    evaluation = Evaluation(HeldOut(text), tasks=(f"{text}.jsonl",), task_folder=text)
    assert fingerprint(RunSpec(ref, calibration, drop_plan(4, [1]), evaluation))
    assert model_name(ref) and text_name(calibration) and base_name(ref)
    for ask in (
        lambda: inspect(ref),
        lambda: load_documents(text + ".txt"),
        lambda: folder_of(text),
        lambda: read_items(jsonl_file(f"{text}.jsonl", None)),
    ):
        with pytest.raises(UserError):
            ask()


@pytest.mark.parametrize("text", ["x" * 300, "a\0b"])
def test_a_copy_to_no_path_is_refused(text, tmp_path):
    (tmp_path / "made").mkdir()
    with pytest.raises(UserError):
        copy_folder(tmp_path / "made", text)


def test_a_path_that_the_system_will_not_look_at_leads_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "text.txt").write_text("a")
    assert given_path("~/text.txt") == tmp_path / "text.txt"
    assert is_file(given_path("~/text.txt")) and not is_folder(given_path("~/text.txt"))
    assert is_folder(given_path("~")) and not is_file(given_path("~"))
    for text in NO_PATHS[:-1]:
        assert not is_file(given_path(text)) and not is_folder(given_path(text))
