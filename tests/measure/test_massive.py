"""Massive tokens: found by norm, left out of all pairs alike, and every variant against the formula in float64."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prune_core.measure.similarity.cka import MinibatchCKA
from prune_core.measure.similarity.linear_hsic import linear_hsics
from prune_core.measure.similarity.massive import massive
from prune_core.measure.similarity.norm_record import NormRecord
from prune_core.measure.similarity.one_pass import measure_all
from prune_core.measure.similarity.rbf import rbf_hsic_of_pairs
from prune_core.measure.similarity.tokens import TokenMeasures
from prune_core.measure.similarity.windows import Windows
from prune_core.pipeline.house import open_store
from prune_core.schema import measures
from prune_core.schema.errors import UserError
from prune_core.schema.measures import LayerStats
from prune_core.schema.norms import HUGE, LARGE
from tests.fixtures.tiny import tiny_loaded
from tests.measure.test_rbf import naive_hsic as naive_rbf
from tests.measure.test_similarity import cka_of, hsic_1, ragged_batches, ratio_and_stderr

WIDTH, TOKENS = 24, 32
LENGTHS = (13, 1, 30, 7, 19, 26, 5, 11)


def drifting(states: int = 5, n: int = sum(LENGTHS), seed: int = 0, offset: float = 3.0) -> Tensor:
    """States that drift apart, with an offset common to all tokens and norms that differ, float32 [S, n, D]."""
    draw = torch.Generator().manual_seed(seed)
    steps = torch.randn(states, n, WIDTH, generator=draw).cumsum(0) + offset
    return steps * (0.7 + 0.6 * torch.rand(1, n, 1, generator=draw))


def with_massive(states: Tensor, places: tuple[int, ...], by: float = 1e4) -> Tensor:
    """The same, tokens at `places` with states from the second to the last but one turned one way and made huge."""
    found = states.clone()
    found[1:-1, list(places)] = by * torch.nn.functional.normalize(torch.arange(1.0, WIDTH + 1), dim=0)
    found[1:-1, list(places)] += states[1:-1, list(places)]
    return found


FIRSTS = tuple(int(start) for start in np.cumsum([0, *LENGTHS[:-1]]))
PLANTED = (*FIRSTS, 40)


def measured(states: Tensor, sizes: tuple[int, ...] = (len(LENGTHS),), tokens: int = TOKENS):
    """Every estimate by name, and the norms, of sequences of LENGTHS in batches of `sizes`."""
    by_token, record = TokenMeasures(len(states)), NormRecord()
    cka = MinibatchCKA({f"cka_rbf_{which}": (rbf_hsic_of_pairs, which) for which in ("without", "all", "unit")})
    windows = Windows(tokens, (by_token, cka, record))
    lengths, begin = torch.tensor(LENGTHS), 0
    with torch.inference_mode():
        for size, row in zip(sizes, np.cumsum([0, *sizes[:-1]]), strict=True):
            some = lengths[row : row + size]
            windows.update(states[:, begin : begin + int(some.sum())], some)
            begin += int(some.sum())
    windows.finish()
    return {**by_token.estimates(), **cka.estimates()}, record.norms(lambda text, position: 100 * text + position)


# --- the rule ---------------------------------------------------------------------------------------------------------


def test_massive_is_far_above_the_median_or_less_far_in_two_states_in_a_row():
    norms = torch.ones(5, 8)
    norms[2, 0] = 1.1 * HUGE  # alone, but huge
    norms[1:3, 1] = 1.1 * LARGE  # two in a row
    norms[1, 2] = 0.9 * HUGE  # large, alone
    norms[0, 3] = norms[2, 3] = 1.1 * LARGE  # two that are not neighbours
    found = massive(norms, norms.median(1).values)
    assert found.nonzero().tolist() == [[1, 1], [2, 0], [2, 1]]


def test_norms_and_places_are_told():
    states = with_massive(drifting(), PLANTED)
    _, norms = measured(states)
    sizes = states.double().norm(dim=2).numpy()
    np.testing.assert_allclose(norms.largest, sizes.max(1), rtol=1e-6)
    windows = [np.sort(sizes[:, k : k + TOKENS])[:, (TOKENS - 1) // 2] for k in range(0, 96, TOKENS)]
    windows.append(np.sort(sizes[:, -TOKENS:])[:, (TOKENS - 1) // 2])  # what is left over, and as much before it
    np.testing.assert_allclose(norms.median, np.median(windows, axis=0), rtol=1e-6)
    assert norms.massive.tolist() == [0, 9, 9, 9, 0] and norms.states == (1, 2, 3)
    assert norms.excluded == 9 and norms.positions.tolist() == [[0, 8], [26, 1]]
    assert [(e.token_id, e.position, e.count) for e in norms.examples][:2] == [(0, 0, 1), (100, 0, 1)]
    assert {(e.first_state, e.last_state) for e in norms.examples} == {(1, 3)}


# --- every variant against the formula --------------------------------------------------------------------------------


def literal_cka(wide: np.ndarray, kept: np.ndarray, i: int, j: int) -> float:
    parts = [np.arange(k, k + TOKENS) for k in range(0, wide.shape[1] - TOKENS + 1, TOKENS)]
    parts = [wide[:, part[kept[part]]] for part in parts]
    return cka_of([(hsic_1(p[i], p[j]), hsic_1(p[i], p[i]), hsic_1(p[j], p[j])) for p in parts])


@pytest.mark.parametrize("planted", [(), PLANTED])
@pytest.mark.parametrize("offset", [0.0, 3.0, 30.0, 300.0])  # the last: mean cosine of tokens 0.9999
def test_cka_of_each_choice_of_tokens_equals_the_formula(planted, offset):
    states = with_massive(drifting(offset=offset), planted)
    found, _ = measured(states)
    wide = states.double().numpy()
    every, kept = np.ones(wide.shape[1], dtype=bool), np.ones(wide.shape[1], dtype=bool)
    kept[list(planted)] = False
    unit = wide / np.linalg.norm(wide, axis=2, keepdims=True)
    for i in range(len(wide)):
        for j in range(i + 1, len(wide)):
            assert found["cka"].value[i, j] == pytest.approx(literal_cka(wide, kept, i, j), abs=2e-5)
            assert found["cka_all"].value[i, j] == pytest.approx(literal_cka(wide, every, i, j), abs=2e-5)
            assert found["cka_unit"].value[i, j] == pytest.approx(
                literal_cka(unit, every, i, j), abs=2e-5 + 3e-6 * offset
            )


@pytest.mark.parametrize("planted", [(), PLANTED])
def test_rbf_cka_of_each_choice_of_tokens_equals_the_formula(planted):
    states = with_massive(drifting(), planted)
    found, _ = measured(states)
    wide = states.double().numpy()
    unit = wide / np.linalg.norm(wide, axis=2, keepdims=True)
    kept = np.setdiff1d(np.arange(wide.shape[1]), planted)
    for name, what, tokens in (("without", wide, kept), ("all", wide, None), ("unit", unit, None)):
        parts = [np.arange(k, k + TOKENS) for k in range(0, 96, TOKENS)]
        parts = [part if tokens is None else np.intersect1d(part, tokens) for part in parts]
        hsic = np.sum([naive_rbf(what[:, part]) for part in parts], axis=0)
        expected = hsic / np.sqrt(np.outer(np.diag(hsic), np.diag(hsic)))
        np.testing.assert_allclose(found[f"cka_rbf_{name}"].value, expected, atol=2e-5, err_msg=name)


def test_cosine_and_angle_without_massive_tokens_equal_the_formula():
    states = with_massive(drifting(), PLANTED)
    found, _ = measured(states)
    wide = states.double()
    kept = torch.ones(wide.shape[1], dtype=torch.bool)
    kept[list(PLANTED)] = False
    of = torch.arange(len(LENGTHS)).repeat_interleave(torch.tensor(LENGTHS))
    for i in range(len(wide)):
        for j in range(i + 1, len(wide)):
            cosines = torch.nn.functional.cosine_similarity(wide[i], wide[j], dim=-1).clamp(-1, 1)
            for name, values in (("cosine", cosines), ("angular", cosines.acos() / np.pi)):
                for suffix, chosen in (("", torch.ones_like(kept)), ("_without", kept)):
                    rows = [values[chosen & (of == s)] for s in range(len(LENGTHS))]
                    rows = [row for row in rows if len(row)]  # the sequence of one token is massive altogether
                    sums, counts = np.array([row.sum() for row in rows]), np.array([len(row) for row in rows])
                    value, stderr = ratio_and_stderr(sums, counts)
                    assert found[name + suffix].value[i, j] == pytest.approx(value, abs=1e-5)
                    assert found[name + suffix].stderr[i, j] == pytest.approx(stderr, abs=1e-5)


def test_states_along_one_line_have_one_geometry_only_by_their_norms():
    draw = torch.Generator().manual_seed(4)
    line = (0.5 + torch.rand(1, 64, 1, generator=draw)) * torch.ones(WIDTH)
    other = torch.randn(1, 64, WIDTH, generator=draw)
    states = torch.cat([line, other])
    cka = MinibatchCKA()
    windows = Windows(TOKENS, [cka])
    with torch.inference_mode():
        windows.update(states, torch.tensor([64]))
    found = cka.estimates()
    assert found["cka_unit"].value[0, 1] == 0  # of norm 1 they are all the same
    assert found["cka_all"].value[0, 1] != 0


def test_a_token_of_no_length_stays_at_nought_when_scaled():
    states = drifting(n=20)
    states[:, 3] = 0
    found = linear_hsics(states, states.norm(dim=2), torch.zeros(20, dtype=torch.bool)).unit
    wide = states.double().numpy()
    unit = wide / np.maximum(np.linalg.norm(wide, axis=2, keepdims=True), 1e-30)
    for i in range(5):
        for j in range(5):
            assert found[i, j] == pytest.approx(hsic_1(unit[i], unit[j]), abs=1e-6)


# --- what leaving them out does --------------------------------------------------------------------------------------


def test_a_planted_token_ruins_the_map_of_all_tokens_and_changes_nothing_without():
    clean = drifting()
    before = MinibatchCKA()
    stay = np.setdiff1d(np.arange(96), PLANTED)
    for begin in range(0, 96, TOKENS):  # the map of the tokens that stay, window by window
        some = clean[:, stay[(stay >= begin) & (stay < begin + TOKENS)]]
        windows = Windows(some.shape[1], [before])
        with torch.inference_mode():
            windows.update(some, torch.tensor([some.shape[1]]))
    after, _ = measured(with_massive(clean, PLANTED))
    expected = before.estimates()["cka"].value
    np.testing.assert_allclose(after["cka"].value, expected, rtol=0, atol=1e-6)
    ruined = after["cka_all"].value[1:4, 1:4]
    assert ruined.min() > 0.9999 and expected[1:4, 1:4].min() < 0.9


@pytest.mark.parametrize("by", [3e1, 1e3, 1e6])
def test_how_large_a_massive_token_is_does_not_matter(by):
    clean = drifting()
    expected, _ = measured(with_massive(clean, PLANTED, 1e4))
    found, _ = measured(with_massive(clean, PLANTED, by * 10))
    np.testing.assert_allclose(found["cka"].value, expected["cka"].value, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found["cosine_without"].value, expected["cosine_without"].value)


def test_without_a_massive_token_the_choices_agree_exactly():
    found, norms = measured(drifting())
    assert norms.excluded == 0 and norms.states == () and norms.positions.shape == (0, 2)
    for one, other in (("cka", "cka_all"), ("cka_rbf_without", "cka_rbf_all"), ("cosine", "cosine_without")):
        np.testing.assert_array_equal(found[one].value, found[other].value)
        np.testing.assert_array_equal(found[one].stderr, found[other].stderr)


@st.composite
def splits(draw: st.DrawFn) -> tuple[int, ...]:
    cuts = sorted(draw(st.sets(st.integers(1, len(LENGTHS) - 1))))
    return tuple(b - a for a, b in pairwise([0, *cuts, len(LENGTHS)]))


STATES = with_massive(drifting(), PLANTED, by=200)
WHOLE, NORMS = measured(STATES)


@settings(max_examples=30, deadline=None)
@given(sizes=splits())
def test_batches_decide_neither_who_is_massive_nor_any_measure(sizes):
    found, norms = measured(STATES, sizes)
    for name, expected in WHOLE.items():
        np.testing.assert_allclose(found[name].value, expected.value, rtol=0, atol=2e-6, err_msg=name)
        np.testing.assert_allclose(found[name].stderr, expected.stderr, rtol=0, atol=2e-6, err_msg=name)
    assert norms.examples == NORMS.examples
    np.testing.assert_array_equal(norms.massive, NORMS.massive)
    np.testing.assert_allclose(norms.median, NORMS.median, rtol=1e-6)


def test_a_window_with_too_few_other_tokens_is_left_out_and_a_text_of_such_is_refused():
    states = drifting(n=8)
    cka = MinibatchCKA()
    windows = Windows(8, [cka])
    with torch.inference_mode():
        windows.update(with_massive(states, (0, 1, 2, 3), 1e3)[:, [0, 1, 2, 4, 5, 6, 7]], torch.tensor([7]))
    windows.finish()
    assert np.isfinite(cka.estimates()["cka"].value).all()
    few = MinibatchCKA()
    windows = Windows(5, [few])
    with torch.inference_mode():
        windows.update(with_massive(states, (0, 1), 1e3)[:, :5], torch.tensor([5]))
    with pytest.raises(UserError, match="3 of 5 are left and CKA needs 4"):
        few.estimates()


# --- a model's own ----------------------------------------------------------------------------------------------------


def test_a_model_whose_embedding_is_huge_at_one_token_says_which():
    loaded = tiny_loaded("llama", 4)
    batches = ragged_batches((3, 5))
    plain = measure_all(loaded, batches, 32)
    assert plain.norms is not None and plain.norms.excluded == 0
    token = int(batches[0].input_ids[0, 0])
    with torch.no_grad():
        loaded.stack.embedding.weight[token] *= 1e4
    stats = measure_all(loaded, batches, 32)
    assert set(stats.values) == {m.name for m in measures.MEASURES}
    ids = [row[: int(mask.sum())] for b in batches for row, mask in zip(b.input_ids, b.attention_mask, strict=True)]
    times = sum(int((row == token).sum()) for row in ids)
    assert stats.norms is not None and stats.norms.excluded == times
    assert {example.token_id for example in stats.norms.examples} == {token}
    assert sum(example.count for example in stats.norms.examples) == times
    assert stats.norms.massive[0] == times


def test_what_was_found_is_kept_and_read_back_and_older_results_are_read_without(tmp_path):
    loaded = tiny_loaded("llama", 4)
    with torch.no_grad():
        loaded.stack.embedding.weight[int(ragged_batches((8,))[0].input_ids[0, 0])] *= 1e4
    stats, store = measure_all(loaded, ragged_batches((8,)), 32), open_store(tmp_path)
    store.save_result("measure-a", stats)
    read = store.result("measure-a")
    assert isinstance(read, LayerStats) and read.norms is not None and stats.norms is not None
    assert read.massive_tokens == stats.massive_tokens and read.excluded == stats.excluded > 0
    for name, array in stats.norms.arrays().items():
        np.testing.assert_array_equal(read.norm_arrays[name], array)
    store.save_result("measure-b", LayerStats(1, {"cosine": np.eye(2)}, {"cosine": np.eye(2)}, 1, 1))
    file = store.folder("measure-b") / "result.json"
    old = json.loads(file.read_text())
    for name in ("norm_arrays", "massive_tokens", "excluded"):
        del old[name]
    file.write_text(json.dumps(old))
    before = store.result("measure-b")
    assert isinstance(before, LayerStats) and before.norms is None
