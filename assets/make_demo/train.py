"""Trains the demo model: a 16-layer Llama with three million weights, on the invented world, from nothing.

    python -m assets.make_demo.train --steps 2880        (cuda when there is one, else the CPU)

Matrices inside the layers learn with Muon, everything else with AdamW; the rate warms up, stays, and falls to zero in
the last steps. In part of the steps a short block of the upper layers is left out (stochastic depth), which
is why a few of them can be spared, as in large models. The number of steps alone decides the result, never the clock.
"""

import argparse
import json
import random
import time
from pathlib import Path

import torch
from torch.nn import functional
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from assets.make_demo.corpus import MODEL, save_tokenizer, training_blocks
from assets.make_demo.measure import accuracies

CONTEXT, ROWS = 256, 16
MATRIX_RATE, OTHER_RATE, WEIGHT_DECAY, EMBEDDING_SCALE = 0.02, 3e-3, 0.05, 0.2
FALL = 0.44  # the share of the steps in which the rate falls to zero
SKIP_FROM, SKIP_SHARE, SKIPPABLE, SKIP_MOST = 1000, 0.35, range(5, 15), 2


def new_model(tokenizer) -> LlamaForCausalLM:
    """The architecture: small enough to ship (6 MB in bfloat16), deep enough to prune.

    The embedding starts ten times larger than usual: otherwise all names first become one and the same vector, a name,
    and it takes long until the model can tell one from another.
    """
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=128, intermediate_size=352, num_hidden_layers=16,
            num_attention_heads=4, num_key_value_heads=2, head_dim=32, max_position_embeddings=1024,
            tie_word_embeddings=True, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=EMBEDDING_SCALE)
    return model


def skipped_layers(rng: random.Random, step: int) -> set[int]:
    """Which layers this step leaves out: usually none, else one or two neighbours among the upper ones."""
    if step < SKIP_FROM or rng.random() >= SKIP_SHARE:
        return set()
    size = rng.randint(1, SKIP_MOST)
    start = rng.randrange(SKIPPABLE.start, SKIPPABLE.stop - size + 1)
    return set(range(start, start + size))


def loss_of(model: LlamaForCausalLM, ids: torch.Tensor, skipped: set[int]) -> torch.Tensor:
    """Next-token loss. The layers are run one by one here, so that a skipped one costs no time."""
    inner = model.model
    hidden = inner.embed_tokens(ids)
    position = inner.rotary_emb(hidden, torch.arange(ids.shape[1], device=ids.device)[None])
    for i, layer in enumerate(inner.layers):
        if i not in skipped:
            hidden = layer(hidden, attention_mask=None, position_embeddings=position)
    logits = model.lm_head(inner.norm(hidden))[:, :-1]
    return functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())


def optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for the embedding and the norms."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if not any(p is m for m in matrices)]
    return [
        torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=WEIGHT_DECAY, momentum=0.95, adjust_lr_fn="original"),
        torch.optim.AdamW(others, lr=OTHER_RATE, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate_at(step: int, steps: int) -> float:
    """Share of the full rate: warm-up over 100 steps, flat, then straight down to zero."""
    return min((step + 1) / 100, (steps - step) / (FALL * steps), 1.0)


def save(model: LlamaForCausalLM, tokenizer, folder: Path, record: dict) -> None:
    """The folder as it ships, in bfloat16; the model in training keeps its float32 weights."""
    small = LlamaForCausalLM(model.config).bfloat16()
    small.load_state_dict({k: v.bfloat16() for k, v in model.state_dict().items()})
    small.generation_config.max_new_tokens = 80
    small.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n")


def restore(file: Path, model: LlamaForCausalLM, opts: list[torch.optim.Optimizer]) -> tuple[int, int]:
    """Puts an interrupted run back; returns its steps and seconds. Its texts are drawn again, so they are the same."""
    state = torch.load(file, weights_only=True)
    model.load_state_dict(state["model"])
    for opt, saved in zip(opts, state["optimizers"], strict=True):
        opt.load_state_dict(saved)
    return state["step"], state["seconds"]


def train(steps: int, folder: Path, look_every: int, threads: int, state_file: Path | None) -> None:
    """The loop."""
    if threads:
        torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = new_model(tokenizer).to(device)  # pyright: ignore[reportArgumentType]  transformers' decorator hides the type
    for layer in model.model.layers:
        layer.compile()
    opts, rows, rng = optimizers(model), training_blocks(tokenizer, CONTEXT, ROWS), random.Random(0)
    done, before = restore(state_file, model, opts) if state_file and state_file.exists() else (0, 0)
    begun, mean = time.monotonic() - before, None
    for step in range(steps):
        ids, skipped = torch.from_numpy(next(rows)).to(device), skipped_layers(rng, step)
        if step < done:
            continue
        for opt in opts:
            for group in opt.param_groups:
                group["lr"] = group.setdefault("full_rate", group["lr"]) * rate_at(step, steps)
        with torch.autocast(device, torch.bfloat16):
            loss = loss_of(model, ids, skipped)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            opt.step()
            opt.zero_grad()
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if (step + 1) % 50 == 0:
            print(f"step {step + 1}/{steps} loss {mean:.3f} {time.monotonic() - begun:.0f} s", flush=True)
        if (step + 1) % look_every == 0 or step + 1 == steps:
            tokens, seconds = (step + 1) * ROWS * CONTEXT, round(time.monotonic() - begun)
            record = {"steps": step + 1, "of": steps, "tokens": tokens, "seconds": seconds, "device": device}
            save(model, tokenizer, folder, record)
            if state_file:
                kept = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in opts]}
                torch.save({**kept, "step": step + 1, "seconds": seconds}, state_file)
            print({k: round(v, 2) for k, v in accuracies(model, tokenizer, 48).items()}, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2880)
    parser.add_argument("--out", type=Path, default=MODEL)
    parser.add_argument("--look-every", type=int, default=250, help="steps between checkpoints")
    parser.add_argument("--state", type=Path, help="file to keep the state of the run in, and to go on from")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: torch decides)")
    given = parser.parse_args()
    train(given.steps, given.out, given.look_every, given.threads, given.state)
