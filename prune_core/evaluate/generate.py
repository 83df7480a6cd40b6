"""Text generation one token at a time; exactly reproducible, so two models can be compared side by side.

With the KV cache if the model has one; without it for a model whose layers are skipped by hooks.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from transformers import PreTrainedModel

from prune_core.forward.calling import require_context, tail_logits
from prune_core.schema.errors import UserError
from prune_core.schema.progress import Progress, Silent
from prune_core.schema.reports import Continuation

HALF_CHARACTER = "\ufffd"
"""What decoding emits while the bytes of a character are incomplete."""


def greedy(model: PreTrainedModel, ids: torch.Tensor, cached: bool = True) -> Iterator[torch.Tensor]:
    """The most likely next token of each sequence, [B], over and over without end; the caller stops.

    ids: [B, T] prompts of equal length, no padding. The first step reads the prompts, each later one a single token
    with the KV cache, or everything again without it. Ties go to the lower token id. UserError for a model without a
    KV cache.
    """
    return _decoded(model, ids, lambda logits: logits, cached)


def sampled(
    model: PreTrainedModel, ids: torch.Tensor, temperature: float, seed: int, cached: bool = True
) -> Iterator[torch.Tensor]:
    """As `greedy`, but each token is drawn from softmax(logits / temperature), by adding seeded Gumbel noise.

    A step's noise depends only on seed and vocabulary, so two models with equal predictions draw the same tokens.
    """
    noise = torch.Generator().manual_seed(seed)

    def drawn(logits: torch.Tensor) -> torch.Tensor:
        uniform = torch.rand(logits.shape, generator=noise, dtype=torch.float64).clamp_min(1e-300)
        return logits.double() / temperature - (-uniform.log()).log().to(logits.device)

    return _decoded(model, ids, drawn, cached)


def _decoded(
    model: PreTrainedModel, ids: torch.Tensor, scored: Callable[[torch.Tensor], torch.Tensor], cached: bool
) -> Iterator[torch.Tensor]:
    cache = None
    while True:
        logits, cache = _step(model, ids, cache, cached)
        chosen = scored(logits).argmax(-1, keepdim=True)
        yield chosen[:, 0]
        ids = chosen if cached else torch.cat([ids, chosen], dim=1)


@torch.inference_mode()
def _step(model: PreTrainedModel, ids: torch.Tensor, cache: Any, cached: bool) -> tuple[torch.Tensor, Any]:
    if not cached:
        return tail_logits(model, ids, 1, use_cache=False)[0][:, -1], None
    logits, cache = tail_logits(model, ids, 1, past_key_values=cache, use_cache=True)
    if cache is None:
        raise UserError(f"Models of type {model.config.model_type} have no KV cache, so they cannot generate text.")
    return logits[:, -1], cache


def continuations(
    model: PreTrainedModel,
    tokenizer: Any,
    prompts: tuple[str, ...],
    new_tokens: int,
    progress: Progress | None = None,
    temperature: float = 0.0,
    seed: int = 0,
) -> tuple[Continuation, ...]:
    """What the model writes after each prompt: at most `new_tokens` tokens, ended by an end-of-text token.

    Temperature 0 is greedy. The checkpoint's own sampling settings (temperature, repetition penalty) are ignored on
    purpose: the text then depends only on the weights, temperature and seed. UserError if prompt and new tokens
    together exceed the model's context.
    """
    progress = progress or Silent()
    encoded = [prompt_ids(model, tokenizer, prompt, new_tokens) for prompt in prompts]
    progress.stage("writing text", len(prompts) * new_tokens, "tokens")
    texts = []
    for ids in encoded:
        tokens = islice(new_text(model, tokenizer, ids, temperature, seed), new_tokens)
        written = list(_counted(tokens, progress))
        progress.advance(new_tokens - len(written))
        texts.append(text_after(tokenizer, ids, written))
    return tuple(Continuation(prompt, text) for prompt, text in zip(prompts, texts, strict=True))


def prompt_ids(model: PreTrainedModel, tokenizer: Any, prompt: str, new_tokens: int) -> list[int]:
    """The prompt's tokens. UserError if they and `new_tokens` exceed the context, and for an empty prompt if the
    tokenizer has no begin-of-text token."""
    ids = tokenizer(prompt, verbose=False)["input_ids"]  # not verbose: the length is checked below, with a better error
    if not ids and tokenizer.bos_token_id is None:
        raise UserError("An empty prompt needs a tokenizer with a begin-of-text token: write at least one word.")
    ids = ids or [tokenizer.bos_token_id]
    what = f"A prompt of {len(ids):,} tokens and {new_tokens:,} new ones make"
    require_context(model, len(ids) + new_tokens, what, "shorten the prompt or ask for fewer new tokens")
    return ids


def new_text(
    model: PreTrainedModel, tokenizer: Any, ids: list[int], temperature: float, seed: int, cached: bool = True
) -> Iterator[int]:
    """The new tokens after the prompt `ids`, until the end-of-text token, which is not among them."""
    prompt = torch.tensor([ids], device=model.device)
    stream = sampled(model, prompt, temperature, seed, cached) if temperature else greedy(model, prompt, cached)
    ends = _end_tokens(model, tokenizer)
    for token in stream:
        if int(token) in ends:
            return
        yield int(token)


def text_after(tokenizer: Any, ids: list[int], written: list[int]) -> str:
    """`written` as text that follows the prompt: many tokenizers drop the leading space of what is decoded alone."""
    whole, head = (tokenizer.decode(part, skip_special_tokens=True) for part in (ids + written, ids))
    return whole[len(head) :] if whole.startswith(head) else tokenizer.decode(written, skip_special_tokens=True)


def text_so_far(tokenizer: Any, ids: list[int], written: list[int]) -> str:
    """As `text_after` for a text still growing: what is returned never changes, so an incomplete character waits."""
    return text_after(tokenizer, ids, written).rstrip(HALF_CHARACTER)


def _counted(tokens: Iterator[int], progress: Progress) -> Iterator[int]:
    for token in tokens:
        yield token
        progress.advance()


def _end_tokens(model: PreTrainedModel, tokenizer: Any) -> set[int]:
    """All end-of-text tokens: chat models list several in their generation config."""
    stated: Any = model.generation_config.eos_token_id if model.generation_config else None
    listed = stated if isinstance(stated, list) else [stated]
    return {token for token in (*listed, tokenizer.eos_token_id) if token is not None}
