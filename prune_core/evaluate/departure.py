"""Where a pruned model diverges from its donor: the donor's text scored token by token by both models."""

from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from prune_core.evaluate.generate import text_after
from prune_core.forward import losses
from prune_core.forward.calling import tail_logits
from prune_core.schema.continuations import Departure, Token
from prune_core.schema.errors import UserError


@torch.inference_mode()
def log_probabilities(model: PreTrainedModel, ids: list[int], written: list[int]) -> Tensor:
    """float32 [n, V]: the log-probabilities (temperature 1) from which each of the n tokens `written` after the prompt
    `ids` is drawn, all in one pass. UserError if they are not numbers."""
    if not written:
        return torch.zeros(0, model.config.get_text_config().vocab_size)
    whole = torch.tensor([ids + written[:-1]], device=model.device)
    logits, _ = tail_logits(model, whole, len(written), use_cache=False)
    log = losses.log_probabilities(logits[0])
    if log.isnan().any():
        raise UserError(f"The model's predictions are not numbers in {model.dtype}: choose float32 for it.")
    return log


def scored_tokens(
    tokenizer: Any, ids: list[int], written: list[int], donor: Tensor, pruned: Tensor
) -> tuple[Token, ...]:
    """The tokens `written` after the prompt `ids`, with the probabilities both models give them.

    `donor`, `pruned`: float32 [n, V], from `log_probabilities`.
    """
    kl = losses.kl_divergence(donor, pruned).clamp_min(0).tolist()
    tops = [log.argmax(-1).tolist() for log in (donor, pruned)]
    return tuple(
        Token(
            text=_token_text(tokenizer, ids + written[:k], token),
            donor=float(donor[k, token].exp()),
            pruned=float(pruned[k, token].exp()),
            donor_top=_token_text(tokenizer, ids + written[:k], tops[0][k]),
            pruned_top=_token_text(tokenizer, ids + written[:k], tops[1][k]),
            agrees=tops[0][k] == tops[1][k],
            kl=kl[k],
        )
        for k, token in enumerate(written)
    )


def first_departure(tokenizer: Any, ids: list[int], donor: list[int], pruned: list[int]) -> Departure | None:
    """The first position at which the tokens of two whole texts differ; one may end there. None for equal texts."""
    for at, (one, other) in enumerate(zip_longest(donor, pruned)):
        if one != other:
            told = ("" if token is None else _token_text(tokenizer, ids + donor[:at], token) for token in (one, other))
            return Departure(at, *told)
    return None


def _token_text(tokenizer: Any, before: list[int], token: int) -> str:
    """The token as it reads after the tokens `before`; one without text by its name ("</s>"), or number."""
    return text_after(tokenizer, before, [token]) or tokenizer.convert_ids_to_tokens(token) or f"<{token}>"
