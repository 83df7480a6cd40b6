"""RBF CKA against the formula in float64, and its place in the one pass."""

from pathlib import Path

import numpy as np
import pytest
import torch

from prune_core.data.batches import Batch
from prune_core.measure.similarity.cka import MinibatchCKA
from prune_core.measure.similarity.one_pass import KERNELS, measure_all
from prune_core.measure.similarity.rbf import SAMPLED, bandwidth, rbf_hsic_of_pairs, sampled_pairs
from prune_core.measure.similarity.windows import Windows
from prune_core.model.load import LoadedModel
from prune_core.model.stack import find_stack
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import ModelInfo, ModelRef
from prune_core.schema.measures import EXTRA_MEASURES, LayerStats, alike, measured
from tests.fixtures.tiny import tiny_ids, tiny_model, tiny_tokenizer


def alike_states(states: int = 5, n: int = 40, width: int = 24, seed: int = 0) -> torch.Tensor:
    """States that drift apart, with a large common offset and one token of outlying norm, float32 [S, n, D]."""
    torch.manual_seed(seed)
    steps = torch.randn(states, n, width).cumsum(0)
    steps[:, 0] *= 20
    return steps + 5


def naive_hsic(features: np.ndarray) -> np.ndarray:
    """HSIC_1 as Song et al. 2012 write it, with 1s for vectors; features: float64 [S, n, D]."""
    n = features.shape[1]
    kernels = []
    for state in features:
        squared = np.square(state[:, None] - state[None]).sum(-1)
        pairs = squared.flatten()[sampled_pairs(n).numpy()]
        sigma2 = max(np.sort(pairs)[(len(pairs) - 1) // 2], 1e-3 * pairs.mean())
        kernel = np.exp(-squared / (2 * sigma2))
        np.fill_diagonal(kernel, 0)
        kernels.append(kernel)
    one = np.ones(n)
    hsic = np.empty((len(kernels),) * 2)
    for a, k in enumerate(kernels):
        for b, m in enumerate(kernels):
            product = one @ k @ one * (one @ m @ one) / ((n - 1) * (n - 2))
            hsic[a, b] = (np.trace(k @ m) + product - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))
    return hsic


def naive_cka(hsic: np.ndarray) -> np.ndarray:
    return hsic / np.sqrt(np.outer(np.diag(hsic), np.diag(hsic)))


@pytest.mark.parametrize("n", [4, 40, 200])  # 200: the median is sampled
def test_equal_to_the_formula(n):
    features = alike_states(n=n)
    before = features.clone()
    found, expected = rbf_hsic_of_pairs(features), naive_hsic(features.double().numpy())
    assert torch.equal(features, before)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    if n > 4:
        np.testing.assert_allclose(naive_cka(found), naive_cka(expected), atol=1e-5)


def test_minibatches_are_summed_and_jackknifed():
    features = alike_states(n=120)
    cka = MinibatchCKA({"cka_rbf_all": (rbf_hsic_of_pairs, "all")})
    windows = Windows(40, [cka])
    with torch.inference_mode():
        for piece in features.split(50, dim=1):
            windows.update(piece, torch.tensor([piece.shape[1]]))
    windows.finish()
    found = cka.estimates()["cka_rbf_all"]
    parts = np.stack([naive_hsic(part.double().numpy()) for part in features.split(40, dim=1)])
    np.testing.assert_allclose(found.value, naive_cka(parts.sum(0)), atol=1e-5)
    left_out = np.stack([naive_cka(parts.sum(0) - part) for part in parts])
    stderr = np.sqrt(2 / 3 * np.square(left_out - left_out.mean(0)).sum(0))
    np.testing.assert_allclose(found.stderr, stderr, atol=1e-5)


def test_independent_features_are_unrelated():
    torch.manual_seed(0)
    features = torch.randn(3, 256, 1024)  # n << D, where the biased estimator says nearly 1
    found = naive_cka(rbf_hsic_of_pairs(features))
    assert np.abs(found[~np.eye(3, dtype=bool)]).max() < 0.03


def test_rotation_and_scale_change_nothing_but_bending_does():
    torch.manual_seed(0)
    x = torch.randn(64, 16)
    rotation = torch.linalg.qr(torch.randn(16, 16)).Q
    found = naive_cka(rbf_hsic_of_pairs(torch.stack([x, 3 * x @ rotation + 7, x**3])))
    assert found[0, 1] == pytest.approx(1, abs=1e-5)
    assert found[0, 2] < 0.9


def test_a_constant_state_is_unlike_all():
    features = alike_states()
    features[2] = 3.3
    hsic = rbf_hsic_of_pairs(features)
    assert np.all(hsic[2] == 0) and np.all(hsic[:, 2] == 0) and hsic[0, 0] > 0


def test_the_median_is_sampled_alike_every_time():
    assert len(sampled_pairs(64)) == 64 * 63 // 2
    pairs = sampled_pairs(512)
    assert len(pairs.unique()) == SAMPLED and torch.equal(pairs, sampled_pairs(512))
    assert bool((pairs // 512 < pairs % 512).all())
    assert bandwidth(torch.tensor([0.0, 0, 0, 4.0])) == pytest.approx(1e-3)


def test_asked_for_by_name():
    assert set(KERNELS) == {measure.family for measure in EXTRA_MEASURES}
    stats = LayerStats(1, {"cka_rbf": np.eye(2), "cosine": np.eye(2)}, {}, 1, 1)
    assert [measure.name for measure in measured(stats)] == ["cosine", "cka_rbf"]
    assert alike("cka_rbf", np.eye(2))[0, 0] == 1


def test_an_extra_of_the_one_pass():
    model, tokenizer = tiny_model("llama", 3), tiny_tokenizer()
    info = ModelInfo(ModelRef(), "llama", 3, 32, 128, 256, 1, 4, "float32", "float32", "cpu", 2**30)
    loaded = LoadedModel(ModelRef(), model, tokenizer, find_stack(model), info, Path())
    batches = [Batch(tiny_ids(3, 20, seed), torch.ones(3, 20, dtype=torch.int64)) for seed in range(2)]
    plain = measure_all(loaded, batches, 16)
    stats = measure_all(loaded, batches, 16, extras=("cka_rbf",))
    assert set(stats.values) == set(plain.values) | {"cka_rbf"} == set(stats.stderrs)
    np.testing.assert_array_equal(stats.values["cka"], plain.values["cka"])
    assert np.all(np.diagonal(stats.values["cka_rbf"]) == 1) and np.isfinite(stats.stderrs["cka_rbf"]).all()
    with pytest.raises(UserError, match="no extra measure 'rbf'"):
        measure_all(loaded, batches, 16, extras=("rbf",))
