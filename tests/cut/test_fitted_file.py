"""What was fitted comes back from its file to the bit, weights and curves apart; a failed write changes nothing."""

import math

import numpy as np
import pytest
import torch

from prune_core.cut.replacements import fitted_file
from prune_core.cut.replacements.curve import Point, unwatched
from prune_core.cut.replacements.fitted_file import curve_arrays, load_curves, load_weights, save_fitted

WEIGHTS = {"2-4.linear.mlp.down_proj.weight": torch.randn(3, 5).T, "6-9.layer.norm.weight": torch.ones(2).bfloat16()}
CURVES = {"2-4": [Point(math.inf, math.nan, 1.5), Point(0.1, math.nan, 1.25)], "6-9": []}


def test_weights_and_curves_come_back(tmp_path) -> None:
    file = tmp_path / "deep" / fitted_file.REPLACEMENT
    save_fitted(file, WEIGHTS, CURVES)
    weights, curves = load_weights(file), load_curves(file)
    assert weights.keys() == WEIGHTS.keys()
    assert all(
        torch.equal(weights[name], tensor) and weights[name].dtype == tensor.dtype for name, tensor in WEIGHTS.items()
    )
    np.testing.assert_array_equal(curves["2-4"], [[math.inf, math.nan, 1.5], [0.1, math.nan, 1.25]])
    assert curves["6-9"].shape == (0, 3) and curve_arrays(CURVES)["6-9"].shape == (0, 3)
    assert load_weights(None) == {} == load_curves(None)
    assert unwatched(CURVES["2-4"]) is None


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch) -> None:
    file = tmp_path / fitted_file.REPLACEMENT
    save_fitted(file, WEIGHTS, CURVES)
    before = file.read_bytes()

    def half(_tensors, path) -> None:
        path.write_bytes(b"half")
        raise OSError("pulled out")

    monkeypatch.setattr(fitted_file, "save_file", half)
    with pytest.raises(OSError, match="pulled out"):
        save_fitted(file, {}, {})
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]
