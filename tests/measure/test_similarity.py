"""Statistics against slow, literal float64 transcriptions of their formulas."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from prune_core.data.batches import Batch
from prune_core.measure.similarity.angular import pair_angles
from prune_core.measure.similarity.cka import MinibatchCKA
from prune_core.measure.similarity.cosine import pair_cosines
from prune_core.measure.similarity.one_pass import measure_all
from prune_core.measure.similarity.tokens import TokenMeasures
from prune_core.measure.similarity.windows import Reader, Windows
from prune_core.model.load import LoadedModel
from prune_core.model.stack import find_stack
from prune_core.schema import measures
from prune_core.schema.errors import UserError
from prune_core.schema.measures import LayerStats
from tests.fixtures.tiny import FAMILIES, tiny_ids, tiny_loaded, tiny_model

LAYERS = 4
LENGTHS = (17, 3, 11, 2, 14, 9, 17, 5)


def ragged_batches(sizes: tuple[int, ...], lengths: tuple[int, ...] = LENGTHS, garbage: int = 0) -> list[Batch]:
    """The sequences of these lengths, in batches of these sizes, padded on the right with random tokens."""
    ids, batches, begin = tiny_ids(len(lengths), max(lengths)), [], 0
    padding = tiny_ids(len(lengths), max(lengths), seed=1 + garbage)
    for size in sizes:
        some = torch.tensor(lengths[begin : begin + size])
        mask = (torch.arange(int(some.max())) < some[:, None]).long()
        width = mask.shape[1]
        rows = slice(begin, begin + size)
        batches.append(Batch(torch.where(mask == 1, ids[rows, :width], padding[rows, :width]), mask))
        begin += size
    return batches


# --- the reference: one sequence at a time, no padding, float64, formulas as written ---------------------------------


def reference_states(loaded: LoadedModel) -> list[Tensor]:
    """For each sequence, [L+1, n, D] float64: hooked by hand on each layer's input and output."""
    ids, found = tiny_ids(len(LENGTHS), max(LENGTHS)), []
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []

    def keep(_: nn.Module, args: tuple, named: dict, out: tuple | Tensor) -> None:
        inputs.append((args[0] if args else named["hidden_states"]).clone())
        outputs.append((out[0] if isinstance(out, tuple) else out).clone())

    for layer in loaded.stack.layers:
        layer.register_forward_hook(keep, with_kwargs=True)
    for row, length in enumerate(LENGTHS):
        inputs.clear()
        outputs.clear()
        with torch.no_grad():
            loaded.model(ids[row : row + 1, :length])
        found.append(torch.cat([inputs[0], *outputs]).double())
    return found


def ratio_and_stderr(sums: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    ratio = sums.sum() / counts.sum()
    size = len(sums)
    return ratio, np.sqrt(size / (size - 1) * ((sums - ratio * counts) ** 2).sum()) / counts.sum()


def hsic_1(x: np.ndarray, y: np.ndarray) -> float:
    """Song et al. 2012, for features [n, d]."""
    n, ones = len(x), np.ones(len(x))
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    middle = (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
    return (np.trace(k @ m) + middle - 2 / (n - 2) * (ones @ k @ m @ ones)) / (n * (n - 3))


def reference(states: list[Tensor], cka_tokens: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    size = states[0].shape[0]
    names = ("cosine", "angular", "angular_last", "cka_all")
    values = {name: np.zeros((size, size)) for name in names}
    stderrs = {name: np.zeros((size, size)) for name in names}
    counts = np.array([s.shape[1] for s in states], dtype=float)
    stream = torch.cat(states, 1).numpy()
    whole = stream.shape[1] // cka_tokens
    minibatches = [stream[:, k * cka_tokens : (k + 1) * cka_tokens] for k in range(whole)] or [stream]
    for i in range(size):
        for j in range(size):
            cosines = [torch.nn.functional.cosine_similarity(s[i], s[j], dim=-1).clamp(-1, 1) for s in states]
            angles = [c.acos() / np.pi for c in cosines]
            per_sequence = {
                "cosine": (np.array([c.sum() for c in cosines]), counts),
                "angular": (np.array([a.sum() for a in angles]), counts),
                "angular_last": (np.array([a[-1] for a in angles]), np.ones_like(counts)),
            }
            for name, sums in per_sequence.items():
                values[name][i, j], stderrs[name][i, j] = ratio_and_stderr(*sums)
            terms = [(hsic_1(m[i], m[j]), hsic_1(m[i], m[i]), hsic_1(m[j], m[j])) for m in minibatches]
            values["cka_all"][i, j] = cka_of(terms)
            if len(terms) > 1:
                without = np.array([cka_of(terms[:k] + terms[k + 1 :]) for k in range(len(terms))])
                spread = ((without - without.mean()) ** 2).sum()
                stderrs["cka_all"][i, j] = np.sqrt((len(terms) - 1) / len(terms) * spread)
    return values, stderrs


def cka_of(terms: list[tuple[float, float, float]]) -> float:
    cross, first, second = np.array(terms).sum(0)
    return cross / np.sqrt(first * second)


@pytest.mark.parametrize("family", FAMILIES)
def test_statistics_equal_a_float64_reference_on_padded_ragged_batches(family: str) -> None:
    loaded = tiny_loaded(family, LAYERS)
    found = measure_all(loaded, ragged_batches((3, 1, 4)), cka_tokens=24)
    values, stderrs = reference(reference_states(loaded), 24)
    assert set(found.values) == {m.name for m in measures.MEASURES}
    off = ~np.eye(LAYERS + 1, dtype=bool)
    for name in values:
        np.testing.assert_allclose(found.values[name], values[name], rtol=0, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(found.stderrs[name][off], stderrs[name][off], rtol=0, atol=1e-5, err_msg=name)
    for name in found.values:
        assert (np.diag(found.values[name]) == measures.measure(name).identical).all()
        assert (np.diag(found.stderrs[name]) == 0).all() and found.values[name].dtype == np.float64
    assert (found.sequences, found.tokens) == (len(LENGTHS), sum(LENGTHS))


def assert_same(found: LayerStats, expected: LayerStats) -> None:
    for name in expected.values:
        np.testing.assert_allclose(found.values[name], expected.values[name], rtol=0, atol=2e-6, err_msg=name)
        np.testing.assert_allclose(found.stderrs[name], expected.stderrs[name], rtol=0, atol=2e-6, err_msg=name)
    assert (found.sequences, found.tokens) == (expected.sequences, expected.tokens)


LLAMA = tiny_loaded("llama", LAYERS)
WHOLE = measure_all(LLAMA, ragged_batches((len(LENGTHS),)), cka_tokens=16)


@st.composite
def splits(draw: st.DrawFn) -> tuple[int, ...]:
    cuts = sorted(draw(st.sets(st.integers(1, len(LENGTHS) - 1))))
    edges = [0, *cuts, len(LENGTHS)]
    return tuple(b - a for a, b in pairwise(edges))


@settings(max_examples=25, deadline=None)
@given(sizes=splits(), garbage=st.integers(0, 3))
def test_splitting_batches_or_filling_the_padding_differently_changes_nothing(
    sizes: tuple[int, ...], garbage: int
) -> None:
    assert_same(measure_all(LLAMA, ragged_batches(sizes, garbage=garbage), cka_tokens=16), WHOLE)


def test_chunks_of_tokens_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prune_core.measure.similarity.tokens.CHUNK_TOKENS", 7)
    assert_same(measure_all(LLAMA, ragged_batches((4, 4)), cka_tokens=16), WHOLE)


@pytest.mark.parametrize("family", ["llama", "falcon"])
def test_a_planted_copy_is_found_exactly(family: str) -> None:
    loaded = tiny_loaded(family, LAYERS)
    layer = loaded.stack.layers[2]
    silent = ("o_proj", "down_proj", "dense", "dense_4h_to_h")
    with torch.no_grad():
        for name, module in layer.named_modules():
            if name.rpartition(".")[2] in silent:
                module.get_parameter("weight").zero_()
    found = measure_all(loaded, ragged_batches((4, 4)), cka_tokens=24)
    assert found.values["cosine"][2, 3] == pytest.approx(1, abs=1e-6)
    assert found.values["angular"][2, 3] == 0
    assert found.values["angular_last"][2, 3] == 0
    assert found.values["cka"][2, 3] == pytest.approx(1, abs=1e-6)
    assert found.values["angular"][1, 2] > 0.01


# --- single measures, on made-up states ------------------------------------------------------------------------------


def give(states: Tensor, lengths: Tensor, tokens: int, *readers: Reader) -> None:
    windows = Windows(tokens, readers)
    with torch.inference_mode():
        windows.update(states, lengths)
    windows.finish()


def estimate_cka(states: Tensor, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    give(states, torch.tensor([states.shape[1]]), tokens, cka := MinibatchCKA())
    return cka.estimates()["cka_all"]


def biased_cka(x: np.ndarray, y: np.ndarray) -> float:
    """The usual estimator: centred Gram matrices, diagonal kept."""
    k, m = ((z - z.mean(0)) @ (z - z.mean(0)).T for z in (x, y))
    return float((k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum()))


def test_cka_of_independent_features_is_zero_where_the_biased_estimator_says_one() -> None:
    states = torch.randn(2, 32 * 40, 4096, generator=torch.Generator().manual_seed(0))
    value, stderr = estimate_cka(states, 32)
    assert biased_cka(states[0, :32].double().numpy(), states[1, :32].double().numpy()) > 0.98
    assert abs(value[0, 1]) < 0.05
    assert abs(value[0, 1]) < 4 * stderr[0, 1]


def test_cka_ignores_rotation_scale_and_offset() -> None:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(256, 24, generator=draw)
    rotation = torch.linalg.qr(torch.randn(24, 24, generator=draw)).Q
    value, stderr = estimate_cka(torch.stack([x, 30 * x @ rotation + 500]), 64)
    assert value[0, 1] == pytest.approx(1, abs=1e-5)
    assert stderr[0, 1] < 1e-4


def test_cka_stands_a_few_tokens_of_huge_norm() -> None:
    x, y = torch.randn(2, 256, 32, generator=torch.Generator().manual_seed(2)) + 3
    x[::64] *= 300
    y[::64] *= 200
    z = x + y
    value, _ = estimate_cka(torch.stack([x, y, z]), 64)
    wide = torch.stack([x, y, z]).double().numpy()
    for i, j in ((0, 1), (0, 2), (1, 2)):
        parts = [wide[:, k : k + 64] for k in range(0, 256, 64)]
        terms = [(hsic_1(p[i], p[j]), hsic_1(p[i], p[i]), hsic_1(p[j], p[j])) for p in parts]
        assert value[i, j] == pytest.approx(cka_of(terms), abs=1e-5)


def test_a_constant_state_has_cka_zero_and_no_nan() -> None:
    x = torch.randn(1, 64, 16, generator=torch.Generator().manual_seed(3))
    constant = torch.full((1, 64, 16), 0.1) * torch.arange(1, 17)
    value, stderr = estimate_cka(torch.cat([x, constant, torch.zeros_like(x)]), 16)
    np.testing.assert_array_equal(value, np.eye(3))
    assert not np.isnan(stderr).any()


def test_one_minibatch_gives_a_value_and_an_unknown_error() -> None:
    x = torch.randn(2, 30, 16, generator=torch.Generator().manual_seed(4))
    value, stderr = estimate_cka(x, 512)
    a, b = x.double().numpy()
    assert value[0, 1] == pytest.approx(hsic_1(a, b) / np.sqrt(hsic_1(a, a) * hsic_1(b, b)), abs=1e-5)
    assert np.isnan(stderr[0, 1])
    assert stderr[0, 0] == 0


def test_too_few_tokens_for_cka_are_refused() -> None:
    with pytest.raises(UserError, match="3 tokens and CKA needs 4"):
        estimate_cka(torch.randn(2, 3, 8), 512)
    with pytest.raises(UserError, match="at least 4"):
        Windows(3, [])


@pytest.mark.parametrize("turn", [0.0, 1e-7, 1e-5, 1e-3, 0.01, 0.1, 1.0, 3.0, np.pi - 1e-3, np.pi - 1e-6])
@pytest.mark.parametrize("size", [32, 4096])
def test_angles_are_right_at_any_size(turn: float, size: int) -> None:
    draw = torch.Generator().manual_seed(5)
    u, v = torch.linalg.qr(torch.randn(size, 2, generator=draw, dtype=torch.float64)).Q.T
    pair = torch.stack([u * 40, (u * np.cos(turn) + v * np.sin(turn)) * 0.3]).float()[:, None]
    a, b = pair[:, 0].double()
    exact = 2 * torch.atan2((a / a.norm() - b / b.norm()).norm(), (a / a.norm() + b / b.norm()).norm()) / np.pi
    found = pair_angles(pair_cosines(pair, pair.norm(dim=2)), pair)
    assert found.item() == pytest.approx(exact.item(), abs=3e-6)


def test_a_zero_state_is_at_right_angles_to_all() -> None:
    states = torch.stack([torch.zeros(5, 8), torch.randn(5, 8, generator=torch.Generator().manual_seed(6))])
    give(states, torch.tensor([2, 3]), 8, tokens := TokenMeasures(2))
    found = tokens.estimates()
    assert found["cosine"].value[0, 1] == 0
    assert found["angular"].value[0, 1] == pytest.approx(0.5)


def test_half_precision_states_are_compared_in_float32() -> None:
    states = torch.randn(3, 40, 64, generator=torch.Generator().manual_seed(7)).bfloat16()
    half, full = TokenMeasures(3), TokenMeasures(3)
    lengths = torch.tensor([25, 15])
    give(states, lengths, 16, half)
    give(states.double().float(), lengths, 16, full)
    for name, estimate in half.estimates().items():
        np.testing.assert_array_equal(estimate.value, full.estimates()[name].value)


def test_one_sequence_gives_values_and_unknown_errors() -> None:
    found = measure_all(LLAMA, ragged_batches((1,), lengths=(17,)), cka_tokens=8)
    assert np.isfinite(found.values["cosine"]).all()
    assert np.isnan(found.stderrs["cosine"][0, 1])


def test_a_model_in_bfloat16_gives_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    half = dataclasses.replace(LLAMA, model=tiny_model("llama", LAYERS).bfloat16())
    half = dataclasses.replace(half, stack=find_stack(half.model))
    found = measure_all(half, ragged_batches((4, 4)), cka_tokens=16)
    for name, expected in WHOLE.values.items():
        np.testing.assert_allclose(found.values[name], expected, atol=0.02, err_msg=name)
