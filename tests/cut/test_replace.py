"""Linear maps and patches in a block's place: the fit against the literal formula, the fold against the map itself."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from prune_core.cut import build, edits
from prune_core.cut.preview import planned
from prune_core.cut.replacements.fit_plan import fit_plan
from prune_core.cut.replacements.held_back import in_batches, split
from prune_core.cut.replacements.linear import RIDGES, equations
from prune_core.cut.replacements.linear_patch import hadamard
from prune_core.cut.replacements.projections import first, folded, mlp_output
from prune_core.data.calibration import calibration_batches
from prune_core.forward.block_run import run_block
from prune_core.model.load import load
from prune_core.model.stack import find_stack
from prune_core.schema.errors import UserError
from prune_core.schema.fit import Fit
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.plan import Block, Drop, Plan, Replace, drop_plan
from prune_core.schema.progress import Silent
from tests.cut.test_build import continuation, digest, logits, reloaded
from tests.fixtures.by_hooks import preview, sequence_losses
from tests.fixtures.tiny import FAMILIES, HIDDEN, tiny_model
from tests.methods.models import loaded, planted_model, ragged_batches

LAYERS, BLOCK = 5, Block(2, 4)
NORMALISE_THE_MLP_OUTPUT = ("gemma2", "gemma3_text")
LENGTHS = (24, 9, 17, 24, 13, 20, 24, 11)


def linear_plan(ridge: float | None = 1e-3, also: tuple = ()) -> Plan:
    return Plan(LAYERS, (Replace(BLOCK, "linear", Fit(ridge=ridge)), *also))


@contextmanager
def mapping_the_mlp(model: PreTrainedModel, layer: int, change: Tensor) -> Iterator[None]:
    """What ReplaceMe means, unfolded: the MLP of `layer` puts out m + m change."""

    def mapped(_module: object, _args: object, output: Tensor | tuple) -> Tensor | tuple:
        m = first(output)
        new = (m.double() + m.double() @ change).to(m.dtype)
        return (new, *output[1:]) if isinstance(output, tuple) else new

    hook = mlp_output(find_stack(model).layers[layer]).register_forward_hook(mapped)
    try:
        yield
    finally:
        hook.remove()


@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in NORMALISE_THE_MLP_OUTPUT])
def test_folded_is_unfolded_and_the_checkpoint_reloads(family: str, tmp_path: Path) -> None:
    changes = {"mlp_only_layers": []} if family == "qwen3_moe" else {}  # a map folded into every expert
    donor, batches = tiny_model(family, LAYERS, **changes), ragged_batches(LENGTHS, 4)
    before, plan = digest(donor), linear_plan()
    fitted, curves = fit_plan(loaded(donor), batches, plan)
    change = equations(loaded(donor), batches, BLOCK, Silent()).change(1e-3)
    assert digest(donor) == before and curves == {}
    with planned(donor, drop_plan(LAYERS, BLOCK.layers)), mapping_the_mlp(donor, BLOCK.start - 1, change):
        unfolded = logits(donor)
    with planned(donor, plan, fitted):
        previewed = logits(donor)
    torch.testing.assert_close(previewed, unfolded, atol=2e-5, rtol=1e-4)
    built = build.build(donor, plan, fitted=fitted)
    assert torch.equal(logits(built), previewed)
    assert built.num_parameters() == build.build(donor, drop_plan(LAYERS, BLOCK.layers)).num_parameters()
    built.save_pretrained(tmp_path)
    again = reloaded(tmp_path)
    assert torch.equal(logits(again), previewed)
    if family in ("llama", "gpt2"):
        assert continuation(again, use_cache=True) == continuation(again, use_cache=False)


@pytest.mark.parametrize("family", NORMALISE_THE_MLP_OUTPUT)
def test_a_fold_that_would_not_be_exact_is_refused(family: str) -> None:
    with pytest.raises(UserError, match=r"cannot be folded exactly into the MLP of a Gemma\dDecoderLayer"):
        fit_plan(loaded(tiny_model(family, LAYERS)), ragged_batches((9, 9), 2), linear_plan())


@pytest.mark.parametrize("ridge", [0.0, 1e-2])
def test_the_normal_equations_are_least_squares(ridge: float) -> None:
    donor, batches = loaded(tiny_model("llama", LAYERS)), ragged_batches(LENGTHS, 3)
    found = equations(donor, batches, BLOCK, Silent()).change(ridge).numpy()
    inputs, added, targets = [], [], []
    hook = donor.stack.layers[1].get_submodule("mlp").register_forward_hook(lambda _m, _a, out: added.append(out))
    for batch in batches:
        run = run_block(donor, batch, BLOCK)
        added[-1] = added[-1][run.tokens]
        inputs.append(run.before[run.tokens])
        targets.append(run.after[run.tokens])
    hook.remove()
    m, x, z = (torch.cat(parts).double().numpy() for parts in (added, inputs, targets))
    assert len(m) == sum(LENGTHS)  # no padding
    # (x - m) + m T = z, and with a ridge sqrt(r) (T - 1) = 0 below it
    r = ridge * np.trace(m.T @ m) / HIDDEN
    left = np.vstack([m, np.sqrt(r) * np.eye(HIDDEN)])
    right = np.vstack([z - (x - m), np.sqrt(r) * np.eye(HIDDEN)])
    np.testing.assert_allclose(found + np.eye(HIDDEN), np.linalg.lstsq(left, right, rcond=None)[0], atol=1e-6)


def test_batches_do_not_matter() -> None:
    donor = loaded(tiny_model("llama", LAYERS))
    one, other = (equations(donor, ragged_batches(LENGTHS, size), BLOCK, Silent()) for size in (1, 8))
    assert one.tokens == other.tokens == sum(LENGTHS)
    torch.testing.assert_close(one.gram, other.gram, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(one.cross, other.cross, atol=1e-4, rtol=1e-4)


def test_a_linear_block_is_recovered_and_costs_nothing() -> None:
    model = planted_model("llama", LAYERS, BLOCK.layers)
    donor, batches = loaded(model), ragged_batches(LENGTHS, 4)
    change = torch.randn(HIDDEN, HIDDEN, generator=torch.Generator().manual_seed(1), dtype=torch.float64) / 4
    caught: list[Tensor] = []
    hooks = [
        mlp_output(donor.stack.layers[1]).register_forward_hook(lambda _m, _a, out: caught.append(out)),
        donor.stack.layers[3].register_forward_hook(lambda _l, _a, out: out + caught.pop() @ change.float()),
    ]
    found = equations(donor, batches, BLOCK, Silent()).change(0.0)
    plan = linear_plan(ridge=0.0)
    fitted, _ = fit_plan(donor, batches, plan)
    whole = logits(model)
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(found, change, atol=1e-5, rtol=0)
    with planned(model, plan, fitted):
        torch.testing.assert_close(logits(model), whole, atol=1e-3, rtol=1e-3)


def test_the_chosen_ridge_is_that_of_the_lowest_loss() -> None:
    donor, batches = loaded(tiny_model("llama", LAYERS)), ragged_batches(LENGTHS, 4)
    fitted, curves = fit_plan(donor, batches, linear_plan(ridge=None))
    curve = curves["2-4"]
    assert [point.at for point in curve] == [math.inf, *RIDGES]
    chosen = min(curve, key=lambda point: point.held_back).at
    taught, held_back = split(batches, Fit())
    nll, tokens = 0.0, 0
    with planned(donor.model, linear_plan(), fitted):
        for found in (sequence_losses(donor.model, [batch]) for batch in held_back):
            nll, tokens = nll + found.nll.sum(), tokens + found.tokens.sum()
    assert nll / tokens == pytest.approx(min(point.held_back for point in curve), abs=1e-5)
    if chosen != math.inf:
        change = equations(donor, in_batches(taught, Fit().batch), BLOCK, Silent()).change(chosen)
        again = folded(donor.stack.layers[1], change)["mlp.down_proj.weight"]
        torch.testing.assert_close(fitted["2-4.linear.mlp.down_proj.weight"], again, atol=1e-5, rtol=0)


def test_on_the_demo_model_it_is_no_worse_than_dropping() -> None:
    donor = load(ModelRef("demo", device="cpu"))
    batches = calibration_batches(Calibration(samples=32), donor.tokenizer, 32)
    donor_losses = sequence_losses(donor.model, batches)
    for start in (2, 9):
        plan = Plan(16, (Replace(Block(start, start + 3), "linear"),))
        fitted, _ = fit_plan(donor, batches, plan)
        dropped = preview(donor, batches, drop_plan(16, plan.removed), donor_losses)
        assert preview(donor, batches, plan, donor_losses, fitted=fitted).loss <= dropped.loss


def test_a_block_that_does_nothing_changes_no_weight() -> None:
    model = planted_model("opt", LAYERS, BLOCK.layers)
    fitted, _ = fit_plan(loaded(model), ragged_batches(LENGTHS, 4), linear_plan())
    assert set(fitted) == {"2-4.linear.fc2.weight", "2-4.linear.fc2.bias"}
    assert torch.equal(fitted["2-4.linear.fc2.weight"], model.model.decoder.layers[1].fc2.weight)


def test_nothing_above_the_block_is_computed() -> None:
    donor, ran = loaded(tiny_model("llama", LAYERS)), []
    for number, layer in enumerate(donor.stack.layers):
        layer.register_forward_pre_hook(lambda _l, _a, n=number: ran.append(n))
    run_block(donor, ragged_batches((9,), 1)[0], BLOCK)
    assert ran == [0, 1, 2, 3]


def test_other_edits_stand_beside_it(tmp_path: Path) -> None:
    donor, batches = tiny_model("qwen2", LAYERS), ragged_batches(LENGTHS, 4)
    plan = linear_plan(also=(Drop((0,)),))
    fitted, _ = fit_plan(loaded(donor), batches, plan)
    with planned(donor, plan, fitted):
        previewed = logits(donor)
    built = build.build(donor, plan, fitted=fitted)
    built.save_pretrained(tmp_path)
    assert built.config.num_hidden_layers == 2 and torch.equal(logits(reloaded(tmp_path)), previewed)


def test_what_cannot_be_is_refused_in_a_sentence() -> None:
    donor = tiny_model("llama", LAYERS)
    with pytest.raises(UserError, match="is not fitted yet"), planned(donor, linear_plan()):
        pass
    with pytest.raises(UserError, match="Layer 1 is in two edits"):
        linear_plan(also=(Drop((1,)),))
    with pytest.raises(UserError, match="start the block at layer 1"):
        fit_plan(loaded(donor), ragged_batches((9, 9), 2), Plan(LAYERS, (Replace(Block(0, 2), "linear"),)))
    with pytest.raises(
        UserError,
        match=r"18 tokens do not determine a linear map of 32 channels with ridge 0\.0: use more text",
    ):
        fit_plan(loaded(donor), ragged_batches((9, 9), 2), linear_plan(ridge=0.0))


# --- LinearPatch ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 2])
def test_patch_follows_the_formula_and_is_not_built(start: int) -> None:
    donor, batches = tiny_model("falcon", LAYERS), ragged_batches(LENGTHS, 3)
    block = Block(start, start + 2)
    plan = Plan(LAYERS, (Replace(block, "linearpatch"),))
    fitted, _ = fit_plan(loaded(donor), batches, plan)
    h, ratios = hadamard(HIDDEN), []
    for batch in batches:
        run = run_block(loaded(donor), batch, block)
        for x, z, kept in zip(run.before, run.after, run.tokens, strict=True):
            ratios.append((z[kept] @ h).abs().mean(0) / (x[kept] @ h).abs().mean(0))
    patch = h @ torch.diag(torch.stack(ratios).mean(0)) @ h.T
    torch.testing.assert_close(fitted[f"{start}-{start + 2}.linearpatch.patch"], patch, atol=1e-5, rtol=1e-4)
    with planned(donor, plan, fitted):
        previewed = logits(donor)
    with planned(donor, drop_plan(LAYERS, block.layers)):
        hook = (
            find_stack(donor)
            .layers[block.stop]
            .register_forward_pre_hook(lambda _l, args: (args[0] @ patch, *args[1:]))
        )
        torch.testing.assert_close(logits(donor), previewed, atol=1e-4, rtol=1e-4)
        hook.remove()
    with pytest.raises(UserError, match="A checkpoint cannot hold 'linearpatch'"):
        build.build(donor, plan, fitted=fitted)


def test_hadamard_is_orthonormal_and_diagonal_elsewhere() -> None:
    torch.testing.assert_close(hadamard(16) @ hadamard(16).T, torch.eye(16))
    assert set((hadamard(16) * 4).unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(hadamard(12), torch.eye(12))


def test_a_network_of_no_name_is_refused() -> None:
    with pytest.raises(UserError, match="choose one of linear, layer"):
        edits.check_offered(Plan(LAYERS, (Replace(BLOCK, "magic"),)))


def test_preview_takes_what_was_fitted() -> None:
    donor, batches = loaded(tiny_model("llama", LAYERS)), ragged_batches(LENGTHS, 4)
    plan = linear_plan()
    seen = preview(donor, batches, plan, fitted=fit_plan(donor, batches, plan)[0])
    assert seen.plan == plan and seen.tokens == sum(LENGTHS) - len(LENGTHS)
