"""What looking commands print, against what the engine says when it is asked directly."""

import re

import numpy as np
import pytest

from prune_core.cli import asking, looking, options
from prune_core.cli.asking import answer
from prune_core.pipeline.specs import MeasureSpec
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.measures import LayerStats, block_influence
from tests.cli.commands import output
from tests.fixtures.tiny import tiny_model

TEXT = "\n\n".join("some letters and more of them, number " + chr(97 + n) * (n + 3) for n in range(6))


@pytest.fixture
def given(model, tmp_path) -> list[str]:
    (tmp_path / "text.txt").write_text(TEXT)
    return [model, "--text", str(tmp_path / "text.txt"), "--samples", "6", "--seq-len", "32", "--device", "cpu"]


def test_names_are_parted_by_commas() -> None:
    assert options.listed(" one, two ,,three") == ("one", "two", "three") and options.listed(" ") == ()


def test_depth_and_size_are_the_models(model, capsys) -> None:
    ref = asking.model_ref(model, "cpu", "auto")
    assert ref == ModelRef(model, device="cpu") and asking.depth(ref) == 4
    parameters = sum(p.numel() for p in tiny_model("llama", 4).parameters())
    assert f"4 layers, hidden size 32, {parameters:,} parameters" in output("inspect", model, "--device", "cpu")
    capsys.readouterr()
    looking.inspect(model, device="cpu")
    assert f"{parameters:,} parameters" in capsys.readouterr().out


def test_what_is_measured_is_printed_and_written(given, tmp_path) -> None:
    file = tmp_path / "pairs.csv"
    printed = output("measure", *given, "--csv", str(file))
    spec = MeasureSpec(ModelRef(given[0], device="cpu"), Calibration(given[2], samples=6, seq_len=32))
    stats = answer(LayerStats, spec)
    shown = [float(value) for value in re.findall(r"^layer \d+ +(-?\d+\.\d+)$", printed, re.M)]
    assert shown == pytest.approx(block_influence(stats.values["cosine"]), abs=6e-5)
    rows = np.genfromtxt(file, delimiter=",", names=True)
    assert len(rows) == 10 and rows["cosine"][0] == pytest.approx(stats.values["cosine"][0, 1])
    again = output("measure", *given).splitlines()
    assert again and again == printed.splitlines()[: len(again)]  # kept, so the same figures again


def test_a_preview_is_the_change_of_loss(given) -> None:
    printed = output("preview", *given, "--drop", "1-2")
    found = re.search(r"loss (\S+) -> (\S+) nats/token \((\S+) ± (\S+)\)", printed)
    assert found is not None and printed.startswith("drop layers 1 to 2 (2 of 4), on ")
    calibration = Calibration(given[2], samples=6, seq_len=32)
    change = asking.delta(ModelRef(given[0], device="cpu"), calibration, 4, (1, 2))
    assert float(found[3]) == pytest.approx(change, abs=6e-5)
    assert float(found[2]) - float(found[1]) == pytest.approx(change, abs=2e-4)


def test_a_layer_that_is_not_there_is_one_sentence(given) -> None:
    with pytest.raises(UserError, match="Layer 4 does not exist: this model has layers 0 to 3"):
        output("preview", *given, "--drop", "4")
