"""Measures the demo model: accuracy per skill, perplexity, and both again with each single layer left out.

python -m assets.make_demo.measure        (also writes the model card)
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

from assets.make_demo.card import write_card
from assets.make_demo.corpus import MODEL, TEXT
from assets.make_demo.tasks import ABOUT, TASKS

CONTEXT = 256
OPENINGS = ("It is a sunny morning in Oakford.", "It is a rainy evening in Kestrel.", "Mira meets")


def load_items(skill: str, limit: int | None = None) -> list[dict]:
    """The test items of one skill."""
    return [json.loads(line) for line in (TASKS / f"{skill}.jsonl").read_text().splitlines()[:limit]]


@torch.no_grad()
def answers_right(model, tokenizer, items: list[dict], batch: int = 96) -> list[bool]:
    """For each item: does the right choice have the highest summed log-likelihood, as in lm-eval's `acc`?"""
    heads = tokenizer([item["query"] for item in items])["input_ids"]
    asked = [  # (item, choice, whole text, tokens of the query)
        (n, c, tokenizer(f"{item['query']} {choice}")["input_ids"], len(heads[n]))
        for n, item in enumerate(items)
        for c, choice in enumerate(item["choices"])
    ]
    # A choice of one token needs only the query, so all such choices of an item share one row.
    texts = sorted({tuple(ids[:-1]) for _, _, ids, _ in asked}, key=len)
    after: dict[tuple[int, ...], torch.Tensor] = {}
    for start in range(0, len(texts), batch):
        part = texts[start : start + batch]
        after |= zip(part, log_probabilities(model, part, tokenizer.pad_token_id), strict=True)
    scores = [[0.0] * len(item["choices"]) for item in items]
    for n, c, ids, head in asked:
        table = after[tuple(ids[:-1])]
        scores[n][c] = sum(table[at - 1, ids[at]].item() for at in range(head, len(ids)))
    return [s.index(max(s)) == item["gold"] for s, item in zip(scores, items, strict=True)]


def log_probabilities(model, rows: list[tuple[int, ...]], pad: int) -> list[torch.Tensor]:
    """For each row of tokens, the log-probabilities of what follows each of them (padding on the right is harmless)."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows], device=model.device)
    return list(model(ids, use_cache=False).logits.float().log_softmax(-1).cpu())


def accuracies(model, tokenizer, limit: int | None = None) -> dict[str, float]:
    """Skill -> share of right answers."""
    found = {skill: answers_right(model, tokenizer, load_items(skill, limit)) for skill in ABOUT}
    return {skill: sum(right) / len(right) for skill, right in found.items()}


@contextmanager
def without(model, layers: range) -> Iterator[None]:
    """The model with these layers left out: each hands its input on."""
    hooks = [
        model.model.layers[i].register_forward_hook(lambda module, args, output: args[0], prepend=True) for i in layers
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def heldout_rows(tokenizer, documents: list[str]) -> torch.Tensor:
    """Documents packed as in training, `<bos> text <eos>`, cut into windows of CONTEXT tokens that do not overlap."""
    ids = [t for one in tokenizer(documents)["input_ids"] for t in [*one, tokenizer.eos_token_id]]
    return torch.tensor(ids[: len(ids) // CONTEXT * CONTEXT]).view(-1, CONTEXT)


@torch.no_grad()
def loss_on(model, rows: torch.Tensor, batch: int = 16) -> float:
    """Mean next-token loss in nats (the first token of a window is not predicted)."""
    total = 0.0
    for part in rows.to(model.device).split(batch):
        logits = model(part, use_cache=False).logits[:, :-1].float()
        total += functional.cross_entropy(logits.flatten(0, 1), part[:, 1:].flatten(), reduction="sum").item()
    return total / (rows.numel() - len(rows))


def layer_table(model, tokenizer, rows: torch.Tensor) -> list[dict]:
    """For every single layer: loss and accuracies without it."""
    table = []
    for i in range(model.config.num_hidden_layers):
        with without(model, range(i, i + 1)):
            table.append({"start": i, "stop": i + 1, "loss": loss_on(model, rows), **accuracies(model, tokenizer)})
        print(table[-1], flush=True)
    return table


def cheapest_blocks(model, tokenizer, rows: torch.Tensor, sizes: range) -> list[dict]:
    """For every length, the block whose loss is the lowest when it is left out, with its accuracies."""
    table, depth = [], model.config.num_hidden_layers
    for size in sizes:
        losses = {}
        for start in range(depth - size + 1):
            with without(model, range(start, start + size)):
                losses[start] = loss_on(model, rows)
        best, worst = min(losses, key=lambda item: losses[item]), max(losses, key=lambda item: losses[item])
        with without(model, range(best, best + size)):
            table.append({"start": best, "stop": best + size, "loss": losses[best], **accuracies(model, tokenizer)})
        table[-1] |= {"worst_start": worst, "worst_loss": losses[worst]}
        print(table[-1], flush=True)
    return table


@torch.no_grad()
def samples(model, tokenizer) -> list[dict]:
    """Continuations of a few openings: greedy, then sampled with fixed seeds."""
    made = []
    for seed, prompt in enumerate(OPENINGS):
        for greedy in (True, False):
            torch.manual_seed(seed)
            ids = tokenizer(prompt, return_tensors="pt").to(model.device)
            how = {"do_sample": False} if greedy else {"do_sample": True, "temperature": 0.8, "top_k": 0}
            out = model.generate(**ids, max_new_tokens=110, pad_token_id=tokenizer.pad_token_id, **how)
            text = tokenizer.decode(out[0], skip_special_tokens=True)
            made.append({"prompt": prompt, "greedy": greedy, "seed": seed, "text": text})
    return made


def measure(folder: Path) -> dict:
    """Every number of the model card."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).float().eval()
    model.to("cuda" if torch.cuda.is_available() else "cpu")  # pyright: ignore[reportArgumentType]  transformers' decorator hides the type
    rows = heldout_rows(tokenizer, (TEXT / "heldout.txt").read_text().splitlines())
    numbers = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "bytes": (folder / "model.safetensors").stat().st_size,
        "heldout_tokens": rows.numel(),
        "loss": loss_on(model, rows),
        "accuracies": accuracies(model, tokenizer),
        "items": {skill: len(load_items(skill)) for skill in ABOUT},
        "chance": {skill: 1 / len(load_items(skill, 1)[0]["choices"]) for skill in ABOUT},
        "samples": samples(model, tokenizer),
    }
    print(json.dumps(numbers, indent=1), flush=True)
    return numbers | {
        "layers": layer_table(model, tokenizer, rows),
        "blocks": cheapest_blocks(model, tokenizer, rows[:32], range(2, 8)),
        "blocks_loss": loss_on(model, rows[:32]),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: torch decides)")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    numbers = measure(given.model)
    (given.model / "measured.json").write_text(json.dumps(numbers, indent=1) + "\n")
    write_card(given.model)
