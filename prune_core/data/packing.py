"""Packed text: documents joined into one stream of tokens, and the stream cut into pieces of equal length.

It is read and tokenised from its start only as far as is needed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from prune_core.data.documents import Documents, empty
from prune_core.data.rows import END_OF_TEXT, plain_text
from prune_core.data.special_tokens import Marks, spelled
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration
from prune_core.schema.paths import given_path, is_file

PREFIX_CHARS = 4_000_000
"""Pieces are drawn from the text's first so many characters, about a million tokens of English: 8,000 pieces of 128."""
CHARS_A_TOKEN = 8
"""More than texts have on average, so that a prefix of so many characters for each token asked for has twice as many
tokens."""
PEEK_ROWS, BLANK_ROWS = 1000, 0.1
"""Rows looked at, and the share of empty ones from which on they are taken for the lines of one running text: of
WikiText's a third are empty, of a list of documents none."""
SLICE = 50_000

BLANK_LINE = "\n\n"


@dataclass(frozen=True)
class Stream:
    """Text to pack. `parts` are joined by `glue` and tokenised as one text; where that is None each is tokenised by
    itself and followed by `end`. `joined`: the same in words."""

    parts: Iterator[str]
    glue: str | None
    end: list[int]
    joined: str
    tokenizer: Any
    marks: Marks

    def tokens(self, samples: int, payload: int) -> tuple[list[int], str]:
        """Token ids of the text, or of its beginning where that gives `samples` pieces of `payload` tokens; and in
        words, which it was."""
        limit = max(PREFIX_CHARS, CHARS_A_TOKEN * samples * payload)
        taken: list[str] = []
        size, following = 0, next(self.parts, None)
        while True:
            while following is not None and size < limit:
                taken.append(following)
                size, following = size + len(following), next(self.parts, None)
            ids = self._encode(taken)
            if following is None:
                return ids, "the whole text"
            if len(ids) // payload >= samples:
                return ids, f"the text's first {size:,} characters"
            limit *= 2

    def _encode(self, parts: list[str]) -> list[int]:
        if self.glue is not None:
            return self._ids([self.glue.join(parts)])[0]
        found = chain.from_iterable(self.marks.without_first(ids) + self.end for ids in self._ids(parts))
        return list(found)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"] if texts else []


def pieces(ids: list[int], payload: int, places: list[int], begins: list[int]) -> list[list[int]]:
    """The pieces at `places` of a stream that is cut every `payload` tokens, each after the marks `begins`."""
    return [begins + ids[place * payload : (place + 1) * payload] for place in places]


def open_stream(calibration: Calibration, tokenizer: Any, found: Marks, opened: Callable[[], Documents]) -> Stream:
    """The text that `calibration` names, joined as it says. UserError where it is empty."""
    path = given_path(calibration.source)
    if calibration.chat:
        parts = _filled(opened().texts, calibration.source, False)
        return Stream(parts, None, [], "conversations one after the other", tokenizer, found)
    if calibration.joined_by == "auto" and is_file(path) and path.suffix.lower() == ".txt":
        return _as_it_stands(plain_text(path), calibration, tokenizer, found)
    texts, lines = _peeked(opened().texts)
    if calibration.joined_by == "blank line" or (calibration.joined_by == "auto" and lines):
        why = "the rows are lines of one text" if calibration.joined_by == "auto" else "as asked"
        return _run_on(texts, calibration, tokenizer, found, f"blank lines between ({why})")
    if tokenizer.eos_token_id is None:
        if calibration.joined_by == "eos":
            raise UserError("The tokenizer has no end mark to join documents by: join them by blank lines.")
        words = "blank lines between documents, as the tokenizer has no end mark"
        return _run_on(texts, calibration, tokenizer, found, words)
    return _ended(texts, calibration, tokenizer, found)


def _as_it_stands(text: str, calibration: Calibration, tokenizer: Any, found: Marks) -> Stream:
    if END_OF_TEXT in text and tokenizer.eos_token_id is not None:
        return _ended(text.split(END_OF_TEXT), calibration, tokenizer, found)
    slices = (text[begin : begin + SLICE] for begin in range(0, len(text), SLICE))
    return Stream(_filled(slices, calibration.source, False), "", [], "as the file has it", tokenizer, found)


def _run_on(texts: Iterable[str], calibration: Calibration, tokenizer: Any, found: Marks, words: str) -> Stream:
    return Stream(_filled(texts, calibration.source, False), BLANK_LINE, [], words, tokenizer, found)


def _ended(texts: Iterable[str], calibration: Calibration, tokenizer: Any, found: Marks) -> Stream:
    end = [tokenizer.eos_token_id]
    words = f"{spelled(tokenizer, end)} after each document"
    return Stream(_filled(texts, calibration.source), None, end, words, tokenizer, found)


def _peeked(texts: Iterator[str]) -> tuple[Iterator[str], bool]:
    """The same texts, and whether they look like the lines of one running text."""
    first = list(islice(texts, PEEK_ROWS))
    blank = sum(not text.strip() for text in first)
    return chain(first, texts), blank >= BLANK_ROWS * len(first) > 0


def _filled(texts: Iterable[str], source: str, stripped: bool = True) -> Iterator[str]:
    """The texts, stripped and without empty ones unless they are to stay as they are. UserError where all are empty."""
    something = False
    for text in texts:
        bare = text.strip()
        something = something or bool(bare)
        if not stripped:
            yield text
        elif bare:
            yield bare
    if not something:
        raise empty(source)
