"""The drop map against brute force, its partial maps, rank correlation, and the best sets for a budget."""

import numpy as np
import pytest
import torch

from prune_core.cut.preview import planned
from prune_core.data.batches import Batch
from prune_core.measure import drop_map
from prune_core.schema.drop_map import DropMap, block_cells, least_damage
from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.plan import drop_plan
from prune_core.schema.progress import Silent
from prune_core.search.block_sets import best_sets
from tests.fixtures.by_hooks import sequence_losses
from tests.fixtures.tiny import tiny_ids, tiny_model

LAYERS = 5


def ragged(sizes: tuple[int, ...] = (2, 1, 2), length: int = 14) -> list[Batch]:
    """Batches of `sizes` sequences of different lengths, beyond the sliding window of 8."""
    batches = []
    for seed, size in enumerate(sizes):
        mask = torch.ones(size, length, dtype=torch.int64)
        for row in range(size):
            mask[row, length - (row + seed) % 4 :] = 0
        batches.append(Batch(tiny_ids(size, length, seed), mask))
    return batches


def brute_kl(model, batches: list[Batch], layers: range) -> float:
    """Mean KL(donor || pruned) in float64, from full logits."""
    total, count = 0.0, 0
    for batch in batches:
        given = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask, "use_cache": False}
        with torch.inference_mode():
            donor = model(**given).logits.double().log_softmax(-1)
            with planned(model, drop_plan(LAYERS, list(layers))):
                cut = model(**given).logits.double().log_softmax(-1)
        kl = (donor.exp() * (donor - cut)).sum(-1)[:, :-1]
        counted = (batch.attention_mask[:, 1:] * batch.attention_mask[:, :-1]).bool()
        total, count = total + float(kl[counted].sum()), count + int(counted.sum())
    return total / count


@pytest.mark.parametrize("family", ["llama", "gemma2", "qwen3_moe", "opt", "falcon", "bloom"])
def test_equal_to_brute_force(family):
    model, batches = tiny_model(family, LAYERS), ragged()
    drops = drop_map.measure_drops(model, batches)
    donor = sequence_losses(model, batches)
    assert abs(drops.donor_loss - donor.nll.sum() / donor.tokens.sum()) < 1e-5
    for start, stop in zip(*block_cells(LAYERS), strict=True):
        if stop - start == LAYERS:
            assert np.isnan([drops.loss[start, stop], drops.divergence[stop, start]]).all()
            continue
        with planned(model, drop_plan(LAYERS, list(range(start, stop)))):
            cut = sequence_losses(model, batches)
        mean = cut.nll.sum() / cut.tokens.sum()
        residual = cut.nll - donor.nll - (cut.nll - donor.nll).sum() / cut.tokens.sum() * cut.tokens
        stderr = np.sqrt(len(residual) / (len(residual) - 1) * (residual**2).sum()) / cut.tokens.sum()
        assert abs(drops.loss[start, stop] - mean) < 1e-5
        assert drops.loss[stop, start] == drops.loss[start, stop]
        assert abs(drops.delta_stderr[start, stop] - stderr) < 1e-5
        assert abs(drops.divergence[start, stop] - brute_kl(model, batches, range(start, stop))) < 1e-5
    assert np.all(np.diagonal(drops.delta) == 0) and np.all(np.diagonal(drops.divergence) == 0)


@pytest.fixture
def pairs_of_sequences(monkeypatch):
    """Chunks of at most two sequences."""
    monkeypatch.setattr(drop_map, "CPU_TOKENS", 28)
    monkeypatch.setattr(drop_map, "CHUNKS", 1)


def test_chunks_do_not_matter_and_half_the_layer_runs(pairs_of_sequences, monkeypatch):
    model, kept, runs = tiny_model("llama", LAYERS), [], []
    hooks = [layer.register_forward_hook(lambda *_: runs.append(1)) for layer in model.model.layers]
    one = drop_map.measure_drops(model, ragged((5,)), keep=kept.append)
    for hook in hooks:
        hook.remove()
    assert len(kept) == 3
    recording = LAYERS + LAYERS * (LAYERS + 1) // 2 * LAYERS  # one pass, and layers that pass on at each head
    assert len(runs) == 3 * (recording + LAYERS * (LAYERS**2 - 1) // 6)
    monkeypatch.setattr(drop_map, "CPU_TOKENS", 1000)
    two = drop_map.measure_drops(model, ragged((5,)))
    for a, b in ((one.nll, two.nll), (one.kl, two.kl), (one.tokens, two.tokens)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_goes_on_from_what_was_kept(pairs_of_sequences):
    model, batches = tiny_model("llama", 3), ragged()
    kept: list[DropMap] = []
    full = drop_map.measure_drops(model, batches, keep=kept.append)
    assert 0 < kept[0].sequences < kept[1].sequences < kept[2].sequences == 5
    assert np.isfinite(kept[0].delta[0, 1]) and kept[0].planned == 5
    np.testing.assert_array_equal(full.places, range(5))
    np.testing.assert_array_equal(full.nll[kept[1].places], kept[1].nll)
    again = drop_map.measure_drops(model, batches, start=kept[0])
    np.testing.assert_allclose(again.nll, full.nll, rtol=1e-6)  # chunks of what was left may differ


def test_texts_of_like_length_go_together():
    texts = [torch.zeros(length, dtype=torch.int64) for length in (3, 20, 4, 19, 3, 30, 50)]
    chunks = drop_map._chunks(texts, {4}, 40)
    assert sorted(map(sorted, chunks)) == [[0, 2], [1, 3], [5], [6]]  # a text longer than a chunk goes alone


class StopsAt(Silent):
    """Cancels at tick `ticks`."""

    def __init__(self, ticks: int) -> None:
        self.ticks = ticks
        self.total = self.done = 0

    def stage(self, name: str, total: int, unit: str = "steps") -> None:
        self.total = total

    def advance(self, done: int = 1) -> None:
        self.done += done
        self.ticks -= 1
        if self.ticks == 0:
            raise Cancelled


def test_cancelling_leaves_finished_chunks_and_the_model_whole(pairs_of_sequences):
    model, batches, kept = tiny_model("llama", 3), ragged(), []
    with pytest.raises(Cancelled):
        drop_map.measure_drops(model, batches, StopsAt(8), keep=kept.append)
    assert len(kept) == 1
    assert not any("forward" in vars(layer) or layer._forward_hooks for layer in model.model.layers)
    progress = StopsAt(-1)
    drop_map.measure_drops(model, batches, progress)
    assert progress.done == progress.total > 0


def test_one_layer_has_nothing_to_drop():
    drops = drop_map.measure_drops(tiny_model("llama", 1), ragged())
    assert np.isnan(drops.delta[0, 1]) and least_damage(drops.delta) == []


def test_no_effect_costs_nothing():
    model = tiny_model("llama", 4)
    for layer in model.model.layers[1:3]:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    drops = drop_map.measure_drops(model, ragged())
    assert abs(drops.delta[1, 3]) < 1e-6 and abs(drops.divergence[1, 3]) < 1e-6
    block, cost = least_damage(drops.delta)[1]
    assert (block.start, block.stop) == (1, 3) and abs(cost) < 1e-6
    assert best_sets(drops.divergence, 2)[0].layers == (1, 2)


def test_a_broken_model_is_refused():
    model = tiny_model("llama", 2)
    model.lm_head.weight.fill_(float("inf"))
    with pytest.raises(UserError, match="load it in float32"):
        drop_map.measure_drops(model, ragged())


# --- rank correlation ------------------------------------------------------------------------------------------------


# --- best sets for a budget ------------------------------------------------------------------------------------------
