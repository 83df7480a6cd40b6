"""Packed pieces and spans, each against what a person would cut by hand."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import processors

from prune_core.data import packing, rows
from prune_core.data.batches import sequences
from prune_core.data.calibration import calibration_batches, what_is_drawn
from prune_core.data.layouts import draw
from prune_core.data.special_tokens import marks
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration
from tests.fixtures.tiny import tiny_tokenizer

BOS, EOS = 1, 2
WITH_BOS = tiny_tokenizer()


def tokenizer_with(template: str | None) -> Any:
    """The character tokenizer with other marks: "$A </s>", or none."""
    made = tiny_tokenizer()
    single = processors.TemplateProcessing(single=template, special_tokens=[("<s>", BOS), ("</s>", EOS)])
    made.backend_tokenizer.post_processor = single if template else processors.Sequence([])
    return made


BARE = tokenizer_with(None)
BOTH = tokenizer_with("<s> $A </s>")


def ids_of(text: str) -> list[int]:
    """By the vocabulary alone: one token a character."""
    vocabulary = WITH_BOS.get_vocab()
    return [vocabulary[character] for character in text]


def pieces_by_hand(ids: list[int], length: int, opening: list[int]) -> list[list[int]]:
    """Every piece of `length` tokens, in the order of the text."""
    payload, found = length - len(opening), []
    while len(ids) >= payload:
        found.append(opening + ids[:payload])
        ids = ids[payload:]
    return found


def write(path: Path, content: str) -> str:
    path.write_text(content, encoding="utf-8")
    return str(path)


def listed(path: Path, texts: list[str]) -> str:
    return write(path, "\n".join(json.dumps({"text": text}) for text in texts))


@pytest.fixture(scope="module")
def prose(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A .txt of paragraphs of 3 to 60 characters, and what is in it."""
    letters = np.random.default_rng(5)
    made = ["".join(letters.choice(list("abcdef .,"), n)).strip() or "x" for n in letters.integers(3, 60, 80)]
    text = "\n\n".join(made)
    return write(tmp_path_factory.mktemp("prose") / "prose.txt", text), text


# --- packed -----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(2, 90), samples=st.integers(1, 60), seed=st.integers(0, 5), size=st.integers(1, 9),
    tokenizer=st.sampled_from([WITH_BOS, BARE, BOTH]),
)  # fmt: skip
def test_packed_pieces_are_slices_of_the_joined_text(prose, length, samples, seed, size, tokenizer) -> None:
    path, text = prose
    asked = Calibration(path, samples=samples, seq_len=length, seed=seed)
    assert asked.laid_out == "packed"
    drawn = [ids.tolist() for ids in sequences(calibration_batches(asked, tokenizer, size))]
    every = pieces_by_hand(ids_of(text), length, [] if tokenizer is BARE else [BOS])
    assert len(drawn) == min(samples, len(every))
    assert all(len(piece) == length for piece in drawn)
    left = list(every)
    for piece in drawn:  # without replacement, and never an end mark that the text does not have
        left.remove(piece)
    order = np.random.default_rng(seed).permutation(len(every))[:samples]
    assert drawn == [every[place] for place in order]


def test_more_samples_begin_with_the_same_pieces_and_another_seed_draws_others(prose) -> None:
    few, many, other = (
        draw(Calibration(prose[0], samples=samples, seq_len=16, seed=seed), BARE).sequences
        for samples, seed in ((5, 0), (20, 0), (5, 1))
    )
    assert many[:5] == few != other


def test_a_list_of_documents_is_packed_with_an_end_mark_after_each(tmp_path: Path) -> None:
    texts = ["one fish", " two fish ", "", "red fish", "blue"]
    source = listed(tmp_path / "t.jsonl", [*texts, *["more"] * 40])  # so few empty ones are no running text
    asked = Calibration(source, samples=99, seq_len=5, layout="packed")
    joined = [token for text in [*texts, *["more"] * 40] if text for token in [*ids_of(text.strip()), EOS]]
    assert sorted(draw(asked, BARE).sequences) == sorted(pieces_by_hand(joined, 5, []))
    assert what_is_drawn(asked, BARE).origin.endswith("pieces of the whole text, </s> after each document")


def test_lines_of_a_running_text_are_joined_by_blank_lines_as_they_are(tmp_path: Path) -> None:
    lines = ["", " = Title = \n", "", " Some text . \n", " More of it . \n"]  # as WikiText-2 has them
    asked = Calibration(listed(tmp_path / "t.jsonl", lines), samples=99, seq_len=4, layout="packed")
    by_hand = pieces_by_hand(ids_of("\n\n".join(lines)), 4, [BOS])
    assert sorted(draw(asked, WITH_BOS).sequences) == sorted(by_hand)
    assert "blank lines between (the rows are lines of one text)" in what_is_drawn(asked, WITH_BOS).origin
    ended = [token for line in lines if line for token in [*ids_of(line.strip()), EOS]]
    found = draw(replace(asked, joined_by="eos"), WITH_BOS).sequences
    assert sorted(found) == sorted(pieces_by_hand(ended, 4, [BOS]))


def test_documents_are_joined_by_blank_lines_where_asked_and_where_there_is_no_end_mark(tmp_path: Path) -> None:
    texts = ["one fish", "two fish", "red fish"]
    asked = Calibration(listed(tmp_path / "t.jsonl", texts), samples=99, seq_len=4, layout="packed")
    by_hand = sorted(pieces_by_hand(ids_of("\n\n".join(texts)), 4, []))
    assert sorted(draw(replace(asked, joined_by="blank line"), BARE).sequences) == by_hand
    endless = tokenizer_with(None)
    endless.eos_token = None
    assert sorted(draw(asked, endless).sequences) == by_hand
    assert "as the tokenizer has no end mark" in draw(asked, endless).origin
    with pytest.raises(UserError, match="no end mark to join documents by: join them by blank lines"):
        draw(replace(asked, joined_by="eos"), endless)


def test_end_of_text_marks_in_a_file_become_the_tokenizers(tmp_path: Path) -> None:
    source = write(tmp_path / "t.txt", "one\n\ntwo\n<|endoftext|>\nthree<|endoftext|>\n")
    joined = [*ids_of("one\n\ntwo"), EOS, *ids_of("three"), EOS]
    found = draw(Calibration(source, samples=9, seq_len=2), BARE).sequences
    assert sorted(found) == sorted(pieces_by_hand(joined, 2, []))


def test_a_long_text_is_tokenised_from_its_start_only_and_that_is_said(prose, monkeypatch) -> None:
    path, text = prose
    monkeypatch.setattr(packing, "PREFIX_CHARS", 300)
    monkeypatch.setattr(packing, "SLICE", 100)
    asked = Calibration(path, samples=3, seq_len=10)
    found = draw(asked, BARE)
    assert found.origin == "30 pieces of the text's first 300 characters, as the file has it"
    assert all(piece in pieces_by_hand(ids_of(text[:300]), 10, []) for piece in found.sequences)
    monkeypatch.setattr(packing, "CHARS_A_TOKEN", 0)  # a text of fewer characters a token than was thought
    grown = draw(replace(asked, samples=50), BARE)
    assert len(grown.sequences) == 50 and "first 600 characters" in grown.origin
    assert "of the whole text" in draw(replace(asked, samples=10_000), BARE).origin


def test_a_dataset_is_read_only_as_far_as_is_needed(monkeypatch) -> None:
    read = []

    def endless(*_: Any) -> Iterator[dict[str, str]]:
        for number in range(10**9):
            read.append(number)
            yield {"text": f"document {number}"}

    monkeypatch.setattr(rows, "_dataset_rows", endless)
    monkeypatch.setattr(packing, "PREFIX_CHARS", 20_000)
    found = draw(Calibration("owner/data", samples=8, seq_len=32), BARE)
    assert len(found.sequences) == 8 and len(read) < 2000
    assert "pieces of the text's first 20,0" in found.origin


@pytest.mark.parametrize("length", [64, 1000])
def test_a_text_shorter_than_a_piece_is_refused(length: int, tmp_path: Path) -> None:
    source = write(tmp_path / "t.txt", "twelve chars")
    with pytest.raises(UserError, match=f"it has 12 tokens and a piece takes {length - 1:,}; give more text"):
        draw(Calibration(source, seq_len=length), WITH_BOS)
    with pytest.raises(UserError, match="is empty"):
        draw(Calibration(write(tmp_path / "t.txt", " \n ")), WITH_BOS)


# --- spans ------------------------------------------------------------------------------------------------------------


def test_spans_are_from_anywhere_in_documents_that_are_long_enough(tmp_path: Path) -> None:
    texts = [chr(ord("a") + n) + "".join(map(str, range(n))) for n in range(26)]  # "a", "b0", "c01", ...
    source = listed(tmp_path / "t.jsonl", texts)
    long = [text for text in texts if len(text) >= 9]
    places = set()
    for seed in range(40):
        found = draw(Calibration(source, samples=5, seq_len=10, seed=seed, layout="spans"), WITH_BOS).sequences
        assert len(found) == 5
        homes = set()
        for span in found:
            assert span[0] == BOS and len(span) == 10
            at = [(text, n) for text in long for n in range(len(text) - 8) if ids_of(text[n : n + 9]) == span[1:]]
            assert at, "a span is nine tokens of one document, one after the other"
            homes.add(tuple(at))
            places |= {n for _, n in at}
        assert len(homes) > 1
    assert {0, 5, 10, 15} <= places  # not only from the beginning


def test_each_document_gives_one_span_and_a_shortage_of_long_ones_shows(tmp_path: Path) -> None:
    texts = ["x" * 3, "a" * 20, "b" * 20, "c" * 9, "y"]
    asked = Calibration(listed(tmp_path / "t.jsonl", texts), samples=10, seq_len=9, layout="spans")
    assert sorted(draw(asked, BARE).sequences) == sorted(ids_of(letter * 9) for letter in "abc")
    assert what_is_drawn(asked, BARE).sequences == 3
    with pytest.raises(UserError, match="No document of the calibration text has 21 tokens"):
        draw(replace(asked, seq_len=21), BARE)


def test_spans_of_a_dataset_pass_over_short_rows_and_stop_somewhere(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    pandas.DataFrame({"text": ["short"] * 50 + ["long enough for a span"]}).to_parquet(folder / "train.parquet")
    asked = Calibration(str(folder), seq_len=12, layout="spans")
    assert len(draw(asked, BARE).sequences) == 1
    monkeypatch.setattr("prune_core.data.layouts.SPAN_ROWS", 50)
    with pytest.raises(UserError, match="No document"):
        draw(asked, BARE)


# --- marks, and which layout is meant ---------------------------------------------------------------------------------


def test_marks_are_found_by_asking_the_tokenizer_and_are_stated(prose) -> None:
    assert (marks(WITH_BOS).begins, marks(WITH_BOS).ends) == ([BOS], [])
    assert (marks(BOTH).begins, marks(BOTH).ends) == ([BOS], [EOS])
    assert (marks(BARE).begins, marks(BARE).ends) == ([], [])
    packed = Calibration(prose[0], seq_len=16)
    apart = replace(packed, layout="documents")
    assert what_is_drawn(packed, WITH_BOS).marks == "Each sequence begins with <s>, as the tokenizer has it."
    assert "<s>, as the tokenizer has it. The tokenizer's </s> is left out" in what_is_drawn(packed, BOTH).marks
    assert what_is_drawn(apart, BOTH).marks.endswith("and ends with </s>.")
    assert all(ids[-1] == EOS for ids in draw(apart, BOTH).sequences)
    assert "no mark" in what_is_drawn(packed, BARE).marks


def test_pieces_with_room_for_the_mark_alone_are_refused(prose) -> None:
    two = tokenizer_with("<s> <s> $A")
    with pytest.raises(UserError, match="no more than the tokenizer's opening marks"):
        draw(Calibration(prose[0], seq_len=2), two)


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        (Calibration(), "documents"),
        (Calibration("a.txt"), "packed"),
        (Calibration("owner/data"), "packed"),
        (Calibration("A.JSONL"), "documents"),
        (Calibration("a.parquet", layout="packed"), "packed"),
        (Calibration("owner/data", chat=True), "documents"),
        (Calibration("a.txt", layout="spans"), "spans"),
    ],
)
def test_the_layout_that_suits_a_text(text: Calibration, layout: str) -> None:
    assert text.laid_out == layout
