"""Text becomes documents and seeded, padded batches; what is wrong with it is told in one sentence."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pandas
import pytest
import torch
from datasets.exceptions import DatasetNotFoundError
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import processors

from prune_core.data import documents
from prune_core.data.batches import Batch
from prune_core.data.calibration import calibration_batches, calibration_documents, heldout_documents, load_documents
from prune_core.schema import demo
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration, HeldOut
from tests.fixtures.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
TEXTS = ["one fish", "two fish", "red fish", "blue fish"]


def write(path: Path, content: str) -> str:
    path.write_text(content, encoding="utf-8")
    return str(path)


def refused(source: str, **how: Any) -> str:
    with pytest.raises(UserError) as caught:
        load_documents(source, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rows(batches: list[Batch]) -> list[list[int]]:
    """The unpadded token ids of every sequence, after checking that padding is on the right."""
    found = []
    for batch in batches:
        assert batch.input_ids.dtype == batch.attention_mask.dtype == torch.int64
        for ids, mask in zip(batch.input_ids, batch.attention_mask, strict=True):
            length = int(mask.sum())
            assert mask.tolist() == [1] * length + [0] * (len(mask) - length)
            found.append(ids[:length].tolist())
    return found


# --- documents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b\nc d\n", ["a b", "c d"]),
        (" a b \nc d\n\n\n", ["a b", "c d"]),
        ("a\nb\n\nc\n \nd\n\n\n\ne", ["a\nb", "c", "d", "e"]),
        ("a\n\nb\n<|endoftext|>\nc<|endoftext|>\n", ["a\n\nb", "c"]),
        ("\ufeffa b", ["a b"]),
        ("a b\r\nc d", ["a b", "c d"]),
    ],
)
def test_plain_text_is_lines_or_paragraphs_or_marked_parts(text: str, expected: list[str], tmp_path: Path) -> None:
    assert load_documents(write(tmp_path / "t.txt", text)) == expected


def test_every_file_type_gives_the_same_documents(tmp_path: Path) -> None:
    objects = [{"body": f" {text} ", "n": 1} for text in TEXTS]
    table = pandas.DataFrame({"body": TEXTS, "n": [1, 2, 3, 4]})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    for source in (
        write(tmp_path / "objects.jsonl", "\n".join(map(json.dumps, objects)) + "\n\n"),
        write(tmp_path / "strings.jsonl", "\n".join(map(json.dumps, TEXTS))),
        write(tmp_path / "objects.json", json.dumps(objects)),
        write(tmp_path / "strings.json", json.dumps(TEXTS)),
        str(tmp_path / "t.csv"),
        str(tmp_path / "t.parquet"),
    ):
        assert load_documents(source, column="body") == TEXTS, source


def test_csv_keeps_words_that_look_like_missing_values(tmp_path: Path) -> None:
    assert load_documents(write(tmp_path / "t.csv", 'text\nNA\n"a, b"\nnull\n')) == ["NA", "a, b", "null"]


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("1,the cat, sat\n2,dog runs over\n", 2),
        ("1,the cat sat\n2,dog, runs over\n", 3),
        ("1,the cat sat,\n2,dog runs over,\n", 2),
        ('1,"the\ncat"\n2,dog, runs\n', 3),
    ],
)
def test_a_csv_row_with_a_comma_too_many_is_refused_whichever_it_is(rows: str, line: int, tmp_path: Path) -> None:
    told = refused(write(tmp_path / "t.csv", "id,text\n" + rows))
    assert f"line {line}" in told and "quote fields that hold commas" in told


def test_a_csv_row_that_lacks_a_field_has_an_empty_document(tmp_path: Path) -> None:
    assert load_documents(write(tmp_path / "t.csv", "id,text\n1\n2,b\n")) == ["b"]


def test_empty_documents_and_nulls_are_left_out(tmp_path: Path) -> None:
    lines = '{"text": "a"}\n{"text": null}\n{"text": "  "}\n{"text": "b"}'
    assert load_documents(write(tmp_path / "t.jsonl", lines)) == ["a", "b"]


def test_a_missing_column_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    table = pandas.DataFrame({"body": TEXTS, "title": TEXTS})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    write(tmp_path / "t.jsonl", '{"body": "a", "title": "b"}')
    for kind in ("csv", "parquet", "jsonl"):
        assert "no column 'text': choose one of body, title" in refused(str(tmp_path / f"t.{kind}"))


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    assert "There is no text file" in refused(str(tmp_path / "none.txt"))
    assert "There is no text file" in refused("none.txt")
    assert "file type that is not read here: give one of .txt, .jsonl" in refused(write(tmp_path / "t.docx", "a"))
    assert "Line 2 of" in refused(write(tmp_path / "t.jsonl", '"a"\n{broken'))
    assert "no JSON list" in refused(write(tmp_path / "o.json", '{"text": "a"}'))
    assert "int values where text was expected" in refused(write(tmp_path / "n.jsonl", '{"text": 5}'))
    assert "not a valid CSV" in refused(write(tmp_path / "t.csv", 'text\n"a'))
    assert "not a whole Parquet" in refused(write(tmp_path / "t.parquet", "PAR1 and no more"))
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    assert "not UTF-8" in refused(str(tmp_path / "latin.txt"))
    for empty in ("e.txt", "e.jsonl", "e.json", "e.csv"):
        assert "is empty" in refused(write(tmp_path / empty, ""))
    assert "is empty" in refused(write(tmp_path / "blank.txt", " \n\n \n"))


def test_a_dataset_is_streamed_from_its_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    pandas.DataFrame({"body": TEXTS}).to_parquet(folder / "train.parquet")
    assert load_documents(str(folder), column="body") == TEXTS
    assert "no column 'text': choose one of body" in refused(str(folder))
    assert "split validation" in refused(str(folder), split="validation", column="body")
    assert "subset nonesuch" in refused(str(folder), subset="nonesuch", column="body")
    monkeypatch.setattr(documents, "DATASET_ROWS", 2)
    assert load_documents(str(folder), column="body") == TEXTS[:2]


def test_an_unknown_dataset_and_a_missing_network_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(error: Exception) -> Any:
        def load(*_: Any, **__: Any) -> None:
            raise error

        return load

    monkeypatch.setattr(datasets, "load_dataset", failing(DatasetNotFoundError("Dataset 'a/b' doesn't exist")))
    assert "no dataset 'a/b'" in refused("a/b")
    monkeypatch.setattr(datasets, "load_dataset", failing(ConnectionError("Couldn't reach 'a/b' on the Hub")))
    assert "cannot be reached for the dataset 'a/b' (Couldn't reach 'a/b' on the Hub): give a local" in refused("a/b")


def test_demo_is_the_text_in_assets() -> None:
    assert calibration_documents(Calibration()) == load_documents(str(demo.CALIBRATION_TEXT))
    assert heldout_documents(HeldOut()) == load_documents(str(demo.HELDOUT_TEXT))


def test_documents_to_be_joined_are_left_as_they_are(tmp_path: Path) -> None:
    rows = ["", " = Title = \n", "", " Some text . \n"]  # as WikiText-2 has them
    source = write(tmp_path / "t.jsonl", "\n".join(json.dumps({"text": row}) for row in rows))
    assert heldout_documents(HeldOut(source, joined=True)) == rows
    assert heldout_documents(HeldOut(source)) == ["= Title =", "Some text ."]


def test_heldout_documents_keep_their_order(tmp_path: Path) -> None:
    source = write(tmp_path / "t.csv", "body\n" + "\n".join(TEXTS))
    assert heldout_documents(HeldOut(source, column="body")) == TEXTS


# --- batches ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> str:
    """40 documents of 1 to 40 characters, so 2 to 41 tokens with the mark before each."""
    lines = [chr(ord("A") + k % 26) * (k + 1) for k in range(40)]
    return write(tmp_path_factory.mktemp("text") / "numbered.txt", "\n".join(lines))


@settings(max_examples=30, deadline=None)
@given(
    samples=st.integers(1, 50), seq_len=st.integers(2, 50), seed=st.integers(0, 3), batch_size=st.integers(1, 50)
)  # fmt: skip
def test_a_draw_depends_on_the_seed_and_never_on_the_batch_size(
    numbered: str, samples: int, seq_len: int, seed: int, batch_size: int
) -> None:
    calibration = Calibration(numbered, samples=samples, seq_len=seq_len, seed=seed, layout="documents")
    batches = calibration_batches(calibration, TOKENIZER, batch_size)
    drawn = rows(batches)
    assert drawn == rows(calibration_batches(calibration, TOKENIZER, 7))
    assert all(len(batch.input_ids) <= batch_size for batch in batches)
    assert len(drawn) == min(samples, 40)
    whole = [TOKENIZER(text)["input_ids"][:seq_len] for text in load_documents(numbered)]
    assert all(row in whole for row in drawn)
    if seq_len > 41:
        assert len({tuple(row) for row in drawn}) == len(drawn)


def test_another_seed_draws_other_documents(numbered: str) -> None:
    text = Calibration(numbered, samples=10, layout="documents")
    draws = [rows(calibration_batches(replace(text, seed=seed), TOKENIZER, 10)) for seed in (0, 1)]
    assert draws[0] != draws[1]


def test_sequences_begin_with_the_tokenizers_mark_and_no_pad_token_is_needed(numbered: str) -> None:
    assert TOKENIZER.pad_token_id is None
    batches = calibration_batches(Calibration(numbered, samples=8, layout="documents"), TOKENIZER, 4)
    assert [len(batch.input_ids) for batch in batches] == [4, 4]
    assert all(row[0] == TOKENIZER.bos_token_id for row in rows(batches))
    assert all(batch.attention_mask.sum(1).max() == batch.input_ids.shape[1] for batch in batches)


def test_documents_too_short_are_passed_over(tmp_path: Path) -> None:
    bare = tiny_tokenizer()
    bare.backend_tokenizer.post_processor = processors.Sequence([])  # no mark before the text: "x" is one token
    source = write(tmp_path / "t.txt", "x\nyes\nz\nno\nw")
    drawn = rows(calibration_batches(Calibration(source, samples=2, layout="documents"), bare, 8))
    assert sorted(map(len, drawn)) == [2, 3]
    write(tmp_path / "t.txt", "x\ny\nz")
    with pytest.raises(UserError, match="none of its 3 documents has 2 tokens"):
        calibration_batches(Calibration(source, layout="documents"), bare, 8)


@pytest.mark.parametrize("calibration", [Calibration(samples=0), Calibration(seq_len=1)])
def test_settings_that_leave_nothing_are_refused(calibration: Calibration) -> None:
    with pytest.raises(UserError, match="too few"):
        calibration_batches(calibration, TOKENIZER, 8)
