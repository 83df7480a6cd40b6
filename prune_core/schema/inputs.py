"""What goes in: the model, the calibration text, the held-out text."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

Dtype = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class ModelRef:
    """Which model, and how to hold it. `path` is a local folder, a hub id, or "demo" for the model that ships here."""

    path: str = "demo"
    revision: str | None = None
    dtype: Dtype = "auto"
    device: str = "auto"
    trust_remote_code: bool = False


Layout = Literal["auto", "packed", "documents", "spans"]
Joint = Literal["auto", "eos", "blank line"]
LISTS_OF_DOCUMENTS = (".jsonl", ".json", ".csv", ".parquet")
"""Files with one document a row."""


@dataclass(frozen=True)
class Calibration:
    """Text for the statistics: `samples` sequences of at most `seq_len` tokens, drawn with `seed`.

    `source` is "demo" (the calibration text that ships here), a local .txt/.jsonl/.json/.csv/.parquet file, or the
    id of a dataset on the hub.

    `layout` says what a sequence is. "packed": documents joined and cut into pieces of exactly `seq_len` tokens, the
    tokenizer's opening mark among them. "documents": one document, cut to `seq_len`. "spans": `seq_len` tokens from
    anywhere in a document that is long enough. "auto": see `laid_out`.

    `joined_by` says what stands between documents that are packed. "eos": the tokenizer's end mark after each. "blank
    line": nothing but that. "auto": a .txt file as it stands, with end marks for <|endoftext|>; end marks after the
    documents of a list; blank lines where rows are the lines of one running text, which WikiText's empty rows show.

    `chat`: rows are conversations, laid out by the tokenizer's chat template (data/conversations.py has the columns).
    """

    source: str = "demo"
    subset: str | None = None
    split: str = "train"
    column: str = "text"
    samples: int = 64
    seq_len: int = 128
    seed: int = 0
    layout: Layout = "auto"
    joined_by: Joint = "auto"
    chat: bool = False

    @property
    def laid_out(self) -> Literal["packed", "documents", "spans"]:
        """`layout`, with "auto" decided: "documents" for the demo text, lists of documents and conversations.

        Running text is packed: a .txt file's paragraphs are parts of it, often headings of four tokens. So are
        datasets: WikiText's rows are lines, and papers pack the others (C4, SlimPajama) too.
        """
        if self.layout != "auto":
            return self.layout
        rows = self.source == "demo" or Path(self.source).suffix.lower() in LISTS_OF_DOCUMENTS
        return "documents" if rows or self.chat else "packed"

    def as_older_files_meant(self, missing: set[str]) -> "Calibration":
        """The text that a file without the fields `missing` meant: before there were layouts, all was "documents"."""
        if "layout" not in missing or self.laid_out == "documents":
            return self
        return replace(self, layout="documents")


@dataclass(frozen=True)
class HeldOut:
    """Text for perplexity, never used to choose layers. `context` and `stride` are in tokens, reported with every
    figure.

    `joined` scores one long stream, standard for WikiText-2; otherwise each document is scored on its own.
    """

    source: str = "demo"
    subset: str | None = None
    split: str = "test"
    column: str = "text"
    context: int = 256
    stride: int = 128
    max_tokens: int = 32768
    joined: bool = False


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model, before (from its files) or after loading. Bytes are of the weights at `dtype`.

    `dtype` is what it computes in, `stored_dtype` what its files hold and an export keeps; `free_bytes` is the free
    memory of `device` when asked.
    """

    ref: ModelRef
    family: str
    num_layers: int
    hidden_size: int
    vocab_size: int
    context_length: int
    parameters: int
    weight_bytes: int
    stored_dtype: str
    dtype: str
    device: str
    free_bytes: int
