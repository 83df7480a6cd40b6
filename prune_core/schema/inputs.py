"""What goes in: the model, the calibration text, the held-out text."""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Calibration:
    """Text for the statistics: `samples` documents drawn with `seed`, each cut to `seq_len` tokens.

    `source` is "demo" (the calibration text that ships here), a local .txt/.jsonl/.json/.csv/.parquet file, or the
    id of a dataset on the hub.
    """

    source: str = "demo"
    subset: str | None = None
    split: str = "train"
    column: str = "text"
    samples: int = 64
    seq_len: int = 128
    seed: int = 0


@dataclass(frozen=True)
class HeldOut:
    """Text for perplexity, never used to choose layers. `context` and `stride` are in tokens and stand by every figure.

    `joined` scores one long stream, the custom for WikiText-2; otherwise every document is scored by itself.
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
