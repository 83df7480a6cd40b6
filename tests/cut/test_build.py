"""The built checkpoint against the preview, before and after a reload, for every family and every kind of cut."""

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from prune_core.cut import build
from prune_core.cut.preview import planned
from prune_core.model.stack import find_stack
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Block, Plan, Replace, drop_plan
from tests.fixtures.checkpoints import continuation, digest, logits, no_warnings, reloaded
from tests.fixtures.tiny import FAMILIES, WINDOW, tiny_config, tiny_ids, tiny_model

LAYERS = 6
CUTS = {"front": (0,), "middle": (2, 3), "end": (5,), "several": (0, 2, 5), "all but one": (0, 1, 2, 4, 5)}


@pytest.mark.parametrize("family", FAMILIES)
def test_preview_built_and_reloaded_agree(family: str, tmp_path: Path) -> None:
    donor = tiny_model(family, LAYERS)
    before, full = digest(donor), logits(donor)
    for name, cut in CUTS.items():
        plan = drop_plan(LAYERS, cut)
        with planned(donor, plan):
            previewed = logits(donor)
        assert not torch.allclose(previewed, full, atol=1e-3), "the cut must be seen"
        built = build.build(donor, plan)
        assert torch.equal(logits(built), previewed), name
        assert digest(donor) == before, name
        with no_warnings():
            built.save_pretrained(tmp_path / name)
        again = reloaded(tmp_path / name)
        assert torch.equal(logits(again), previewed), name
        assert continuation(again, use_cache=True) == continuation(again, use_cache=False), name
    assert torch.equal(logits(donor), full)


@pytest.mark.parametrize("family", FAMILIES)
def test_empty_plan_changes_nothing(family: str) -> None:
    donor = tiny_model(family, 4)
    with planned(donor, Plan(4)):
        assert torch.equal(logits(donor), logits(tiny_model(family, 4)))
    built = build.build(donor, Plan(4))
    assert torch.equal(logits(built), logits(donor))
    assert built.config.to_dict() == donor.config.to_dict()


@pytest.mark.parametrize("family", FAMILIES)
def test_config_and_layer_numbers(family: str) -> None:
    donor = tiny_model(family, LAYERS)
    donor.generation_config.max_length = 77
    built = build.build(donor, drop_plan(LAYERS, (1, 4)))
    kept = (0, 2, 3, 5)
    assert built.config.num_hidden_layers == len(find_stack(built).layers) == 4
    assert type(built.config) is type(donor.config)
    if getattr(donor.config, "layer_types", None):
        assert built.config.layer_types == [donor.config.layer_types[layer] for layer in kept]
    numbers = [
        {module.layer_idx for module in layer.modules() if isinstance(getattr(module, "layer_idx", None), int)}
        for layer in find_stack(built).layers
    ]
    assert numbers == [{0}, {1}, {2}, {3}]
    assert built.generation_config.to_dict() == donor.generation_config.to_dict()
    assert built.config._attn_implementation == donor.config._attn_implementation
    assert not built.training


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "qwen3_moe"])
def test_bfloat16_and_float16_donors(family: str, tmp_path: Path) -> None:
    for dtype in (torch.bfloat16, torch.float16):
        donor = tiny_model(family, 4).to(dtype)  # pyright: ignore[reportArgumentType]  transformers mistypes `to`
        plan = drop_plan(4, (1, 2))
        built = build.build(donor, plan)
        assert {p.dtype for p in built.parameters()} == {dtype}
        with planned(donor, plan):
            assert torch.equal(logits(donor), logits(built))
        built.save_pretrained(tmp_path / str(dtype))
        assert reloaded(tmp_path / str(dtype)).dtype == dtype


def test_new_memory_is_its_own_and_ties_stay() -> None:
    donor = tiny_model("llama", 4, tie_word_embeddings=True).requires_grad_(True)
    built = build.build(donor, drop_plan(4, (0,)))
    assert built.lm_head.weight is built.model.embed_tokens.weight
    assert built.lm_head.weight.requires_grad
    places = {tensor.data_ptr() for _, tensor in build._tensors(donor)}
    assert places.isdisjoint(tensor.data_ptr() for _, tensor in build._tensors(built))
    assert not any(tensor.is_meta for _, tensor in build._tensors(built))


def test_building_takes_no_memory_beside_donor_and_result() -> None:
    blank = build._without_weights(tiny_model("gpt2", 4), drop_plan(4, (0,)))
    assert all(parameter.is_meta for parameter in blank.parameters())


# --- fields of the config ---------------------------------------------------------------------------------------------


def test_sparse_step_becomes_a_list(tmp_path: Path) -> None:
    donor = tiny_model("qwen3_moe", LAYERS, decoder_sparse_step=2, mlp_only_layers=[3])
    plan = drop_plan(LAYERS, (0, 4))
    built = build.build(donor, plan)
    assert (built.config.decoder_sparse_step, built.config.mlp_only_layers) == (1, [1, 2])  # experts were in 1 and 5
    with planned(donor, plan):
        assert torch.equal(logits(donor), logits(built))
    built.save_pretrained(tmp_path)
    assert torch.equal(logits(reloaded(tmp_path)), logits(built))


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("gpt_neo", {"attention_types": [[["global", "local"], 3]], "window_size": WINDOW, "num_heads": 4}),
        ("smollm3", {"num_attention_heads": 4, "num_key_value_heads": 2, "no_rope_layer_interval": 3}),
        ("gpt_oss", {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": WINDOW, "head_dim": 8}),
        ("cohere2", {"sliding_window": WINDOW, "num_attention_heads": 4, "num_key_value_heads": 2}),
        ("deepseek_v3", {"first_k_dense_replace": 3}),
        ("ernie4_5_moe", {"moe_layer_start_index": 2, "moe_layer_end_index": 4, "moe_num_experts": 4, "moe_k": 2}),
        ("lfm2", {"full_attn_idxs": [1, 2, 4], "num_attention_heads": 4, "num_key_value_heads": 2}),
    ],
)
def test_families_with_settings_of_single_layers(family: str, changes: dict, tmp_path: Path) -> None:
    small = {"intermediate_size": 64, "moe_intermediate_size": 32, "pad_token_id": 0}
    mla = {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "q_lora_rank": 16}
    mla |= {"kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8, "num_attention_heads": 4}
    extra = mla if family == "deepseek_v3" else {"num_attention_heads": 4, "num_key_value_heads": 2}
    config = AutoConfig.for_model(
        family, vocab_size=128, hidden_size=32, num_hidden_layers=LAYERS, **{**small, **extra, **changes}
    )
    torch.manual_seed(0)
    donor = AutoModelForCausalLM.from_config(config).eval()
    for cut in ((0, 3), (5,), (1, 2)):
        plan = drop_plan(LAYERS, cut)
        with planned(donor, plan):
            previewed = logits(donor)
        built = build.build(donor, plan)
        assert torch.equal(logits(built), previewed)
        built.save_pretrained(tmp_path / str(cut))
        again = reloaded(tmp_path / str(cut))
        assert torch.equal(logits(again), previewed)
        assert continuation(again, use_cache=True) == continuation(again, use_cache=False)


def test_dropping_every_layer_of_one_type(tmp_path: Path) -> None:
    donor = tiny_model("gemma3_text", LAYERS)
    for kind in ("full_attention", "sliding_attention"):
        plan = drop_plan(LAYERS, [n for n, found in enumerate(donor.config.layer_types) if found == kind])
        with planned(donor, plan):
            previewed = logits(donor)
        build.build(donor, plan).save_pretrained(tmp_path / kind)
        assert torch.equal(logits(reloaded(tmp_path / kind)), previewed)


def test_stretched_rotary_embedding_is_not_carried_over() -> None:
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    donor = tiny_model("llama", 4, rope_parameters=rope, max_position_embeddings=WINDOW)
    plan = drop_plan(4, (1,))
    fresh = build.build(donor, plan)
    logits(donor)  # longer than the model's context, so its frequencies change
    assert not torch.equal(donor.model.rotary_emb.inv_freq, donor.model.rotary_emb.original_inv_freq)
    later = build.build(donor, plan)
    short = tiny_ids(1, WINDOW - 2)
    with torch.inference_mode():
        assert torch.equal(later(short).logits, fresh(short).logits)


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_families_that_cannot_be_exact_are_refused() -> None:
    for family in ("jamba", "recurrent_gemma", "zamba", "zamba2", "diffllama", "minicpm3", "albert", "t5", "bart"):
        with pytest.raises(UserError, match=r"cannot be cut exactly, because .*: choose"):
            build.check_supported(AutoConfig.for_model(family))
    with pytest.raises(UserError, match="num_kv_shared_layers = 15"):
        build.check_supported(AutoConfig.for_model("gemma3n_text"))
    scaled = tiny_model("gpt2", 4, scale_attn_by_inverse_layer_idx=True)
    with pytest.raises(UserError, match="scale_attn_by_inverse_layer_idx"), planned(scaled, drop_plan(4, (1,))):
        pass
    for family in FAMILIES:
        build.check_supported(tiny_config(family, 4))


def test_what_no_table_names_is_still_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    donor = tiny_model("gpt2", 4, scale_attn_by_inverse_layer_idx=True)
    monkeypatch.setattr(build.fields, "REFUSED_SETTINGS", ())
    with pytest.raises(UserError, match=r"Layer 1 would compute something else as layer 0 \(attn.scaling"):
        build.build(donor, drop_plan(4, (0,)))
    sliding = tiny_model("gemma2", 4)
    monkeypatch.setattr(build.fields, "ONE_PER_LAYER", ())
    with pytest.raises(UserError, match="is not valid"):
        build.build(sliding, drop_plan(4, (0,)))


def test_plans_that_do_not_fit_are_refused() -> None:
    donor = tiny_model("llama", 4)
    with pytest.raises(UserError, match="plan is for 5 layers, but this model has 4"):
        build.build(donor, drop_plan(5, (0,)))
    with pytest.raises(UserError, match="There is no replacement 'a linear map'"):
        build.build(donor, Plan(4, (Replace(Block(1, 3), "a linear map"),)))
