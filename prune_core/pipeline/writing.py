"""The user's own prompts: donor and pruned model generate in turns, and the text so far can be read at any time."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from transformers import PreTrainedModel

from prune_core.cut.preview import planned
from prune_core.cut.replacements.fitted_file import load_weights
from prune_core.evaluate.departure import first_departure, log_probabilities, scored_tokens
from prune_core.evaluate.generate import new_text, prompt_ids, text_after, text_so_far
from prune_core.pipeline.planning import fitted_file
from prune_core.pipeline.residents import Resident, Residents
from prune_core.pipeline.specs import TextSpec
from prune_core.schema.continuations import TextPair, Texts
from prune_core.schema.errors import UserError
from prune_core.schema.progress import Progress
from prune_core.schema.run import RunResult
from prune_core.store.store import Store

SHOW_EVERY_S = 0.2
TURN = 8
"""Tokens that one model generates before the other's turn: both texts grow, and hooks are rarely swapped."""


@dataclass(frozen=True)
class Writer:
    """One of the two models: it computes as itself within `around()`. `cached`: it can use the KV cache."""

    model: PreTrainedModel
    around: Callable[[], AbstractContextManager[Any]]
    cached: bool


def write_texts(store: Store, run_id: str, residents: Residents, spec: TextSpec, progress: Progress) -> Texts:
    """Both models' text after every prompt; the text so far is saved a few times a second.

    A stopped job resumes after the last finished prompt.
    """
    begun = time.monotonic()
    resident = residents.get(spec.model, progress)
    model, tokenizer = resident.loaded.model, resident.loaded.tokenizer
    encoded = [prompt_ids(model, tokenizer, prompt, spec.new_tokens) for prompt in spec.prompts]
    sides = (Writer(model, nullcontext, True), _pruned(store, residents, resident, spec, progress))
    so_far = store.partial(run_id)
    kept = so_far if isinstance(so_far, Texts) else Texts((), sides[1].cached)
    pairs = tuple(pair for pair in kept.pairs if pair.finished)
    progress.stage("writing text", (len(encoded) - len(pairs)) * 2 * spec.new_tokens, "tokens")

    def texts(*unfinished: TextPair) -> Texts:
        return Texts(pairs + unfinished, sides[1].cached, kept.seconds + time.monotonic() - begun)

    def keep(pair: TextPair) -> None:
        store.save_partial(run_id, texts(pair))

    for ids in encoded[len(pairs) :]:
        pair = TextPair(spec.prompts[len(pairs)])
        pairs = (*pairs, _write(pair, ids, sides, tokenizer, spec, progress, keep))
    return texts()


def _pruned(store: Store, residents: Residents, resident: Resident, spec: TextSpec, progress: Progress) -> Writer:
    """The checkpoint of a run, loaded once and kept, or the plan via hooks, without a KV cache."""
    donor = resident.loaded
    if spec.run_id is None:
        weights = load_weights(fitted_file(store, resident, spec, progress))
        return Writer(donor.model, lambda: planned(donor.model, spec.plan, weights), False)
    result = store.result(spec.run_id)
    folder = store.folder(spec.run_id) / (result.checkpoint if isinstance(result, RunResult) else "checkpoint")
    if not folder.is_dir():
        raise UserError(f"The run {spec.run_id} no longer has a checkpoint: build it again, or compare with the plan.")
    ref = replace(spec.model, path=str(folder), revision=None, dtype=donor.info.dtype, device=donor.info.device)
    return Writer(residents.get(ref, progress).loaded.model, nullcontext, True)


def _write(
    pair: TextPair,
    ids: list[int],
    sides: tuple[Writer, Writer],
    tokenizer: Any,
    spec: TextSpec,
    progress: Progress,
    keep: Callable[[TextPair], None],
) -> TextPair:
    """One prompt, `ids` as tokens: both texts in turns, then the donor's scored by both."""
    written: tuple[list[int], list[int]] = ([], [])

    def show() -> None:
        donor, pruned = (text_so_far(tokenizer, ids, tokens) for tokens in written)
        keep(replace(pair, donor=donor, pruned=pruned))

    _in_turns(ids, sides, written, tokenizer, spec, progress, _now_and_then(show))
    show()
    logs = []
    for side in sides:
        with side.around():
            logs.append(log_probabilities(side.model, ids, written[0]))
    departure = first_departure(tokenizer, ids, *written)
    return replace(
        pair,
        donor=text_after(tokenizer, ids, written[0]),
        pruned=text_after(tokenizer, ids, written[1]),
        shared=len(text_so_far(tokenizer, ids, written[0][: departure.at if departure else None])),
        departure=departure,
        tokens=scored_tokens(tokenizer, ids, written[0], logs[0], logs[1].to(logs[0].device)),
        finished=True,
    )


def _in_turns(
    ids: list[int],
    sides: tuple[Writer, Writer],
    written: tuple[list[int], list[int]],
    tokenizer: Any,
    spec: TextSpec,
    progress: Progress,
    show: Callable[[], None],
) -> None:
    """Both texts, `TURN` tokens from one model and then from the other, into `written`."""
    streams = [new_text(side.model, tokenizer, ids, spec.temperature, spec.seed, side.cached) for side in sides]
    grew = True
    while grew:
        grew = False
        for side, stream, tokens in zip(sides, streams, written, strict=True):
            with side.around():
                for token in islice(stream, min(TURN, spec.new_tokens - len(tokens))):
                    tokens.append(token)
                    grew = True
                    show()
                    progress.advance()
    progress.advance(2 * spec.new_tokens - sum(map(len, written)))


def _now_and_then(do: Callable[[], None]) -> Callable[[], None]:
    """`do` when called, but at most every `SHOW_EVERY_S` seconds."""
    last = 0.0

    def maybe() -> None:
        nonlocal last
        if time.monotonic() - last > SHOW_EVERY_S:
            do()
            last = time.monotonic()

    return maybe
