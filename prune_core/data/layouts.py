"""The draw: text becomes sequences of token ids, as one of the three layouts of `Calibration` says."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from prune_core.data import documents
from prune_core.data.conversations import open_conversations
from prune_core.data.documents import Documents, calibration_source, empty, open_documents
from prune_core.data.packing import open_stream, pieces
from prune_core.data.special_tokens import Marks, marks
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration
from prune_core.schema.wording import counted

MIN_TOKENS = 2
"""A shorter sequence has no next token to predict, and says nothing of how layers use context."""
SPAN_ROWS, SPAN_CHARS = 1_000_000, 32_000_000
"""Spans of a dataset are drawn from its first so many rows, or fewer once those long enough hold so many characters:
BookCorpus has one sentence a row, and very few are long enough."""
AT_ONCE = 256
"""Documents tokenised together on the look-out for long ones."""


@dataclass(frozen=True)
class Draw:
    """Token ids in the order of the draw. `origin`: in words, what they were drawn from; `marks`: the tokenizer's."""

    sequences: list[list[int]]
    origin: str
    marks: Marks


def draw(calibration: Calibration, tokenizer: Any) -> Draw:
    """`samples` sequences drawn without replacement, or all there are. They depend on the text, the settings of
    `calibration` and the tokenizer only, and more samples begin with the same ones unless "origin" says otherwise.

    UserError where there are none, or where the settings leave none.
    """
    if calibration.samples < 1 or calibration.seq_len < MIN_TOKENS:
        raise UserError(
            f"{calibration.samples} samples of {calibration.seq_len} tokens are too few: take at least 1 sample of 2."
        )
    found = marks(tokenizer)
    if calibration.laid_out != "documents" and calibration.seq_len - len(found.begins) < 1:
        raise UserError(
            f"{calibration.seq_len} tokens hold no more than the tokenizer's opening marks: take more tokens each."
        )
    make = {"packed": _packed, "documents": _whole, "spans": _spans}[calibration.laid_out]
    sequences, origin = make(calibration, tokenizer, found)
    return Draw(sequences, origin, found)


def _order(calibration: Calibration, count: int) -> tuple[np.random.Generator, np.ndarray]:
    """The places 0..count-1 in the order of the draw, and what goes on to draw with the same seed."""
    random = np.random.default_rng(calibration.seed)
    return random, random.permutation(count)


# --- one document each ------------------------------------------------------------------------------------------------


def _whole(calibration: Calibration, tokenizer: Any, found: Marks) -> tuple[list[list[int]], str]:
    """Documents with the usual special tokens (conversations: with those of their template), cut to `seq_len`.

    Those of fewer than 2 tokens are passed over.
    """
    opened = _open(calibration, tokenizer)
    limit = documents.DATASET_ROWS if opened.streamed else None
    bare = [text if calibration.chat else text.strip() for text in islice(opened.texts, limit)]
    texts = [text for text in bare if text]
    if not texts:
        raise empty(calibration.source)
    sequences: list[list[int]] = []
    _, order = _order(calibration, len(texts))
    special = not calibration.chat  # the template writes them out
    for begin in range(0, len(order), calibration.samples):
        drawn = [texts[place] for place in order[begin : begin + calibration.samples]]
        ids = tokenizer(drawn, truncation=True, max_length=calibration.seq_len, add_special_tokens=special)["input_ids"]
        sequences += [tokens for tokens in ids if len(tokens) >= MIN_TOKENS]
        if len(sequences) >= calibration.samples:
            break
    if not sequences:
        raise UserError(
            f"The calibration text is too short: none of its {len(texts)} documents has {MIN_TOKENS} tokens; "
            "add longer text."
        )
    rows = f", of the dataset's first {limit:,} rows" if limit else ""
    return sequences[: calibration.samples], counted(len(texts), "document") + rows


def _open(calibration: Calibration, tokenizer: Any) -> Documents:
    if calibration.chat:
        return open_conversations(calibration, tokenizer)
    return open_documents(*calibration_source(calibration))


# --- joined and cut ---------------------------------------------------------------------------------------------------


def _packed(calibration: Calibration, tokenizer: Any, found: Marks) -> tuple[list[list[int]], str]:
    """Pieces of exactly `seq_len` tokens, cut from the start of the text one after the other; what is left at the end
    is left out.

    A piece begins with the marks that the tokenizer begins texts with, if any (Gemma computes nonsense without its
    <bos>), and has no end mark of the tokenizer's at its end: text goes on there.
    """
    payload = calibration.seq_len - len(found.begins)
    stream = open_stream(calibration, tokenizer, found, lambda: _open(calibration, tokenizer))
    ids, part = stream.tokens(calibration.samples, payload)
    count = len(ids) // payload
    if count == 0:
        raise UserError(
            f"The calibration text is too short: it has {counted(len(ids), 'token')} and a piece takes {payload:,}; "
            "give more text, fewer tokens each, or one text a sequence."
        )
    _, order = _order(calibration, count)
    sequences = pieces(ids, payload, order[: calibration.samples].tolist(), found.begins)
    return sequences, f"{counted(count, 'piece')} of {part}, {stream.joined}"


# --- anywhere in long documents ---------------------------------------------------------------------------------------


def _spans(calibration: Calibration, tokenizer: Any, found: Marks) -> tuple[list[list[int]], str]:
    """`seq_len` tokens from a random offset of documents that are long enough, a span a document.

    As LLM-Pruner's loader does, which Shortened LLaMA and SLM use, but that every span begins with the tokenizer's
    opening marks (Shortened LLaMA does so for Gemma).
    """
    payload = calibration.seq_len - len(found.begins)
    opened = _open(calibration, tokenizer)
    texts = list(_long_enough(opened, payload))
    random, order = _order(calibration, len(texts))
    sequences: list[list[int]] = []
    for begin in range(0, len(order), AT_ONCE):
        drawn = [texts[place] for place in order[begin : begin + AT_ONCE]]
        encoded = tokenizer(drawn, add_special_tokens=False, verbose=False)["input_ids"]
        long = [ids for ids in map(found.without_first, encoded) if len(ids) >= payload]
        for ids in long[: calibration.samples - len(sequences)]:
            start = int(random.integers(len(ids) - payload + 1))
            sequences.append(found.begins + ids[start : start + payload])
        if len(sequences) == calibration.samples:
            break
    if not sequences:
        raise UserError(
            f"No document of the calibration text has {payload:,} tokens: take fewer tokens each, or join documents."
        )
    where = f"the dataset's first {SPAN_ROWS:,} rows at most" if opened.streamed else "the whole text"
    return sequences, f"documents of at least {payload:,} tokens, in {where}"


def _long_enough(opened: Documents, tokens: int) -> Iterator[str]:
    """The documents that may have so many tokens: a tokenizer makes at most one of a byte."""
    size = 0
    for text in islice(opened.texts, SPAN_ROWS) if opened.streamed else opened.texts:
        stripped = text.strip()
        if len(stripped.encode("utf-8", "replace")) >= tokens:
            size += len(stripped)
            yield stripped
        if opened.streamed and size >= SPAN_CHARS:
            return
