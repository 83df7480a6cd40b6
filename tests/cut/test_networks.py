"""Networks trained in a block's place: the schedule, the best weights, the held-back text, and what is built."""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prune_core.cut import build
from prune_core.cut.preview import planned
from prune_core.cut.replacements import held_back as texts
from prune_core.cut.replacements import training
from prune_core.cut.replacements.fit_plan import Curves, fit_plan
from prune_core.cut.replacements.networks import mlp_kind, network
from prune_core.forward.block_run import run_block
from prune_core.model.stack import find_stack
from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.fit import Fit
from prune_core.schema.plan import Block, Drop, Plan, Replace
from prune_core.schema.progress import Silent
from tests.cut.test_build import continuation, digest, logits, reloaded
from tests.fixtures.tiny import FAMILIES, tiny_model
from tests.methods.models import loaded, planted_model, ragged_batches

LAYERS, BLOCK = 5, Block(1, 4)
LENGTHS = (24, 9, 17, 24, 13, 20, 24, 11)
QUICK = Fit(steps=20, batch=4, first_rate=3e-3, last_rate=1e-3, held_back=0.25)
KINDS = {"opt": "ffn", "gpt2": "ffn", "gpt_neox": "ffn", "falcon": "ffn", "bloom": "ffn", "qwen3_moe": None}


def plan_by(name: str, fit: Fit = QUICK, also: tuple = ()) -> Plan:
    return Plan(LAYERS, (Replace(BLOCK, name, fit), *also))


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "falcon", "qwen3_moe"])
def test_a_trained_layer_stands_for_the_block(family: str, tmp_path: Path) -> None:
    donor, batches = tiny_model(family, LAYERS), ragged_batches(LENGTHS, 3)
    before, plan = digest(donor), plan_by("layer")
    fitted, curves = fit_plan(loaded(donor), batches, plan)
    assert digest(donor) == before
    curve = curves["1-4"]
    assert min(point.held_back for point in curve) < curve[0].held_back
    with planned(donor, plan, fitted):
        previewed = logits(donor)
    built = build.build(donor, plan, fitted=fitted)
    assert torch.equal(logits(built), previewed)
    assert built.config.num_hidden_layers == LAYERS - 2
    if getattr(donor.config, "layer_types", None):
        assert built.config.layer_types == [donor.config.layer_types[number] for number in (0, 1, 4)]
    built.save_pretrained(tmp_path)
    again = reloaded(tmp_path)
    assert torch.equal(logits(again), previewed)
    assert continuation(again, use_cache=True) == continuation(again, use_cache=False)
    repeated, _ = fit_plan(loaded(donor), ragged_batches(LENGTHS, 8), plan)
    assert all(torch.equal(repeated[name], tensor) for name, tensor in fitted.items())


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_network_without_attention(family: str, tmp_path: Path) -> None:
    donor, batches = tiny_model(family, LAYERS), ragged_batches(LENGTHS, 4)
    plan = plan_by(KINDS.get(family) or "swiglu")
    fitted, curves = fit_plan(loaded(donor), batches, plan)
    assert curves["1-4"][-1].held_back < curves["1-4"][0].held_back
    silent = [tensor for name, tensor in fitted.items() if ".o_proj." in name or ".attn.c_proj." in name]
    assert silent and not any(tensor.any() for tensor in silent)
    with planned(donor, plan, fitted):
        previewed = logits(donor)
    built = build.build(donor, plan, fitted=fitted)
    layer = find_stack(built).layers[1]
    run = run_block(loaded(donor), batches[0], BLOCK)
    other = run.before.clone()
    other[:, 0] += 1.0
    found, same = (run_layer(layer, run, states)[:, 1:] for states in (run.before, other))
    assert torch.equal(found, same)  # no token sees another
    built.save_pretrained(tmp_path)
    assert torch.equal(logits(reloaded(tmp_path)), previewed)


def run_layer(layer: torch.nn.Module, run, states: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        output = layer(states, *run.call.args, **run.call.named)
    return output[0] if isinstance(output, tuple) else output


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_holds_one_kind_of_mlp(family: str) -> None:
    layer = find_stack(tiny_model(family, 3)).layers[0]
    kind = KINDS.get(family, "swiglu")
    assert mlp_kind(layer) == kind
    for name in ("ffn", "swiglu"):
        if name != kind:
            with pytest.raises(UserError, match=f"cannot hold '{name}', so a plain model could not load it"):
                network(layer, Replace(BLOCK, name))
        else:
            assert network(layer, Replace(BLOCK, name)) is not layer


def test_a_block_whose_work_is_one_layer_is_learnt_at_once() -> None:
    donor = planted_model("llama", LAYERS, (2, 3))  # layers 2 and 3 do nothing, so layer 1 is the whole block
    _, curves = fit_plan(loaded(donor), ragged_batches(LENGTHS, 4), plan_by("layer"))
    assert curves["1-4"][0].held_back < 1e-10


@pytest.mark.parametrize("fit", [Fit(), Fit(steps=7, warmup=0.3), Fit(steps=1), Fit(steps=50, warmup=0.0)])
def test_the_schedule_reaches_its_end(fit: Fit) -> None:
    rates = [training.rate(step, fit) for step in range(fit.steps)]
    rise = round(fit.warmup * fit.steps)
    assert all(a < b for a, b in itertools.pairwise(rates[: rise + 1]))
    assert all(a > b for a, b in itertools.pairwise(rates[rise:]))
    assert rates[rise] == pytest.approx(fit.first_rate, rel=1e-12)
    if fit.steps > 1:
        assert rates[-1] == pytest.approx(fit.last_rate, rel=1e-12)


def test_the_best_weights_are_kept_not_the_last() -> None:
    donor, batches = loaded(tiny_model("llama", LAYERS)), ragged_batches(LENGTHS, 4)
    wild = Fit(steps=30, batch=4, first_rate=0.3, last_rate=0.1, warmup=0.9, held_back=0.25)
    edit = Replace(BLOCK, "layer", wild)
    net = network(donor.stack.layers[1], edit)
    points = training.train(net, donor, batches, edit, Silent())
    best = min(point.held_back for point in points)
    assert points[-1].held_back > best, "the last weights must be worse here"
    held_back = texts.split(batches, wild)[1]
    scale = training._scale(donor, held_back, BLOCK)
    assert training._held_back_loss(net, donor, held_back, edit, scale, Silent()) == pytest.approx(best, rel=1e-6)


def test_one_is_the_error_of_dropping_the_block() -> None:
    donor, batches = loaded(tiny_model("llama", LAYERS)), ragged_batches(LENGTHS, 4)
    edit = Replace(BLOCK, "layer", QUICK)
    held_back = texts.split(batches, QUICK)[1]
    scale = training._scale(donor, held_back, BLOCK)
    doing_nothing = planted_model("llama", LAYERS, (1,)).model.layers[1]
    assert training._held_back_loss(doing_nothing, donor, held_back, edit, scale, Silent()) == pytest.approx(
        1, rel=1e-5
    )


def test_held_back_text_is_not_trained_on() -> None:
    batches = ragged_batches(LENGTHS, 3)
    taught, held_back = texts.split(batches, QUICK)
    assert (len(taught), sum(len(batch.input_ids) for batch in held_back)) == (6, 2)
    rows = [tuple(row.tolist()) for batch in held_back for row in batch.input_ids]
    assert not any(tuple(row.tolist())[: len(kept)] == kept for row in taught for kept in rows)
    drawn = itertools.islice(texts.drawn(taught, QUICK), 3)
    seen = [tuple(ids[mask.bool()].tolist()) for batch in drawn for ids, mask in zip(*_fields(batch), strict=True)]
    assert len(seen) == 12 and all(seen.count(row) == 2 for row in seen)  # twice round, each once a round


def _fields(batch) -> tuple[torch.Tensor, torch.Tensor]:
    return batch.input_ids, batch.attention_mask


def test_next_token_loss_can_be_trained_on() -> None:
    donor, batches = tiny_model("falcon", LAYERS), ragged_batches(LENGTHS, 4)
    fit = replace(QUICK, batch=6, lm_weight=1.0)
    plan, before = plan_by("layer", fit), digest(donor)
    curves = fit_plan(loaded(donor), batches, plan)[1]
    assert digest(donor) == before
    assert curves["1-4"][-1].fitted < curves["1-4"][1].fitted
    # at step 0 the network is the block's first layer: the loss is that of dropping the others
    held_back = texts.split(batches, fit)[1]
    losses = []
    with planned(donor, Plan(LAYERS, (Drop((2, 3)),))), torch.inference_mode():
        for batch in held_back:
            targets = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
            loss = donor(input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=targets).loss
            losses.append((loss.item(), batch.attention_mask.sum().item()))
    expected = sum(loss * n for loss, n in losses) / sum(n for _, n in losses)
    assert curves["1-4"][0].held_back == pytest.approx(expected, rel=1e-5)


def test_curves_grow_while_it_trains_and_it_can_be_cancelled() -> None:
    donor, batches = tiny_model("llama", LAYERS), ragged_batches(LENGTHS, 4)
    before, lengths = digest(donor), []

    class Stopping(Silent):
        def advance(self, done: int = 1) -> None:
            if len(lengths) == 4:
                raise Cancelled

    def watch(curves: Curves) -> None:
        lengths.append(len(curves["1-4"]))
        assert math.isnan(curves["1-4"][0].fitted)

    with pytest.raises(Cancelled):
        fit_plan(loaded(donor), batches, plan_by("layer"), Stopping(), watch)
    assert lengths == [1, 2, 3, 4] and digest(donor) == before


def test_several_networks_for_one_block(tmp_path: Path) -> None:
    donor, batches = tiny_model("qwen2", LAYERS), ragged_batches(LENGTHS, 4)
    plan = Plan(LAYERS, (Replace(Block(0, 2), "layer", QUICK), Replace(Block(2, 4), "swiglu", QUICK)))
    fitted, curves = fit_plan(loaded(donor), batches, plan)
    assert set(curves) == {"0-2", "2-4"} and plan.kept == (0, 2, 4)
    with planned(donor, plan, fitted):
        previewed = logits(donor)
    build.build(donor, plan, fitted=fitted).save_pretrained(tmp_path)
    assert torch.equal(logits(reloaded(tmp_path)), previewed)


def test_a_bfloat16_donor_trains_in_float32() -> None:
    donor, batches = tiny_model("llama", LAYERS).to(torch.bfloat16), ragged_batches(LENGTHS, 4)
    plan = plan_by("layer")
    fitted, curves = fit_plan(loaded(donor), batches, plan)
    assert {tensor.dtype for tensor in fitted.values()} == {torch.bfloat16}
    assert curves["1-4"][-1].held_back < curves["1-4"][0].held_back
    with planned(donor, plan, fitted):
        assert torch.equal(logits(donor), logits(build.build(donor, plan, fitted=fitted)))


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (Fit(steps=0), "0 steps of 8 sequences train nothing"),
        (Fit(first_rate=1e-5, last_rate=1e-4), "cannot go from 1e-05 to 0.0001"),
        (Fit(held_back=0.0), "held_back 0.0"),
        (Fit(steps=9, first_rate=1e9, warmup=0.0, clip=1e9), "diverged"),
    ],
)
def test_settings_that_train_nothing_are_refused(fit: Fit, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit_plan(loaded(tiny_model("llama", LAYERS)), ragged_batches(LENGTHS, 4), plan_by("layer", fit))
