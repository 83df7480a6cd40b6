"""Text with the KV cache, one token at a time; it repeats exactly, so two models can be read side by side."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from transformers import PreTrainedModel

from prune_core.evaluate.forward import require_context, tail_logits
from prune_core.reports import Continuation
from prune_core.types import Progress, Silent, UserError


def greedy(model: PreTrainedModel, ids: torch.Tensor) -> Iterator[torch.Tensor]:
    """The most likely next token of each sequence, [B], again and again without end; the caller stops.

    ids: [B, T] prompts of equal length, no padding. The first step reads the prompts, each later one a single token
    with the KV cache. Ties go to the lower token id. UserError for a model that has no KV cache.
    """
    return _decoded(model, ids, lambda logits: logits)


def sampled(model: PreTrainedModel, ids: torch.Tensor, temperature: float, seed: int) -> Iterator[torch.Tensor]:
    """As `greedy`, but each token is drawn from softmax(logits / temperature), by adding seeded Gumbel noise.

    The noise of a step depends on seed and vocabulary alone, so two models that think alike draw the same tokens.
    """
    noise = torch.Generator().manual_seed(seed)

    def drawn(logits: torch.Tensor) -> torch.Tensor:
        uniform = torch.rand(logits.shape, generator=noise, dtype=torch.float64).clamp_min(1e-300)
        return logits.double() / temperature - (-uniform.log()).log().to(logits.device)

    return _decoded(model, ids, drawn)


def _decoded(
    model: PreTrainedModel, ids: torch.Tensor, scored: Callable[[torch.Tensor], torch.Tensor]
) -> Iterator[torch.Tensor]:
    cache = None
    while True:
        logits, cache = _step(model, ids, cache)
        ids = scored(logits).argmax(-1, keepdim=True)
        yield ids[:, 0]


@torch.inference_mode()
def _step(model: PreTrainedModel, ids: torch.Tensor, cache: Any) -> tuple[torch.Tensor, Any]:
    logits, cache = tail_logits(model, ids, 1, past_key_values=cache, use_cache=True)
    if cache is None:
        raise UserError(f"Models of type {model.config.model_type} have no KV cache here, so they cannot write text.")
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

    Temperature 0 is greedy. Sampling settings of the checkpoint (temperature, repetition penalty) are left out on
    purpose: the text then depends on the weights, temperature and seed alone. UserError when prompt and new tokens
    together exceed the model's context.
    """
    progress = progress or Silent()
    encoded = [_prompt_ids(tokenizer, prompt) for prompt in prompts]
    for ids in encoded:
        what = f"A prompt of {len(ids):,} tokens and {new_tokens:,} new ones make"
        require_context(model, len(ids) + new_tokens, what, "shorten the prompt or ask for fewer new tokens")
    progress.stage("writing text", len(prompts) * new_tokens, "tokens")
    texts = []
    for ids in encoded:
        prompt = torch.tensor([ids], device=model.device)
        stream = sampled(model, prompt, temperature, seed) if temperature else greedy(model, prompt)
        written = list(islice(_until_end(stream, _end_tokens(model, tokenizer), progress), new_tokens))
        progress.advance(new_tokens - len(written))
        texts.append(_text_after(tokenizer, ids, written))
    return tuple(Continuation(prompt, text) for prompt, text in zip(prompts, texts, strict=True))


def _prompt_ids(tokenizer: Any, prompt: str) -> list[int]:
    ids = tokenizer(prompt, verbose=False)[
        "input_ids"
    ]  # not verbose: the length is checked here, with a better sentence
    if not ids and tokenizer.bos_token_id is None:
        raise UserError("An empty prompt needs a tokenizer with a begin-of-text token: write at least one word.")
    return ids or [tokenizer.bos_token_id]


def _until_end(stream: Iterator[torch.Tensor], ends: set[int], progress: Progress) -> Iterator[int]:
    """The new tokens of one prompt; the end-of-text token is not among them."""
    for token in stream:
        if int(token) in ends:
            return
        yield int(token)
        progress.advance()


def _text_after(tokenizer: Any, ids: list[int], written: list[int]) -> str:
    """`written` as text that follows the prompt: many tokenizers drop the first space of what is decoded alone."""
    whole, head = (tokenizer.decode(part, skip_special_tokens=True) for part in (ids + written, ids))
    return whole[len(head) :] if whole.startswith(head) else tokenizer.decode(written, skip_special_tokens=True)


def _end_tokens(model: PreTrainedModel, tokenizer: Any) -> set[int]:
    """All end-of-text tokens: chat models list several in their generation config."""
    stated: Any = model.generation_config.eos_token_id if model.generation_config else None
    listed = stated if isinstance(stated, list) else [stated]
    return {token for token in (*listed, tokenizer.eos_token_id) if token is not None}
