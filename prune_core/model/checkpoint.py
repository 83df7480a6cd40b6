"""What a checkpoint holds, read from its metadata: a local folder, or a repository on the Hugging Face hub.

A hub repository that is complete in the local cache is read from there without the network; otherwise its metadata is
requested, and `fetch` downloads it.
"""

import json
import math
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from prune_core.model import hub
from prune_core.schema import demo
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import ModelRef
from prune_core.schema.paths import given_path, is_file, is_folder
from prune_core.schema.progress import Progress, Silent

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "*.tiktoken")
PATTERNS = ["*.json", "*.model", "*.txt", "*.jinja", "*.tiktoken", "*.py"]
DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
MAX_HEADER_BYTES = 100 * 2**20


@dataclass(frozen=True)
class Metadata:
    """A checkpoint's config.json, and how many weights its files hold in each dtype (safetensors names: "BF16")."""

    config: dict[str, Any]
    weights: dict[str, int]
    where: str

    @property
    def parameters(self) -> int:
        """Floating point weights as stored; tied ones that are stored twice count twice."""
        return sum(count for name, count in self.weights.items() if name in DTYPES)

    @property
    def stored_dtype(self) -> str:
        """The dtype of most weights."""
        known = [name for name in DTYPES if self.weights.get(name)]
        if not known:
            kinds = ", ".join(self.weights) or "nothing"
            raise UserError(f"{self.where} stores {kinds}, not plain float weights: use an unquantised checkpoint.")
        return DTYPES[max(known, key=lambda name: self.weights[name])]


def resolve(ref: ModelRef) -> str:
    """The local folder of "demo" as an absolute path; any other path unchanged, with "~" expanded."""
    if ref.path == "demo":
        return str(demo.DEMO_MODEL)
    return str(given_path(ref.path)) if ref.path.startswith("~") or "\0" in ref.path else ref.path


def metadata(ref: ModelRef) -> Metadata:
    """The metadata of `ref`; local checkpoint files are checked to be complete. UserError says what is wrong."""
    folder = local_folder(ref)
    if folder is not None:
        return Metadata(_read_json(folder / "config.json"), _local_weights(folder), str(folder))
    weights = hub.weights(ref.path, ref.revision)
    folder = hub.download(ref.path, ref.revision, ["config.json"], Silent())
    return Metadata(_read_json(folder / "config.json"), weights, ref.path)


def fetch(ref: ModelRef, progress: Progress) -> Path:
    """The folder that holds the checkpoint, downloaded file by file if needed."""
    folder = local_folder(ref)
    if folder is not None:
        return folder
    sizes = hub.sizes(ref.path, ref.revision)
    folder = _fetch_small(ref, sizes, progress)
    wanted = _weight_files(folder)
    progress.stage("downloading the model", math.ceil(sum(sizes.get(name, 0) for name in wanted) / 2**20), "MiB")
    return hub.download(ref.path, ref.revision, wanted, progress)


def fetch_tokenizer(ref: ModelRef, progress: Progress) -> Path:
    """The folder that holds the checkpoint's small files, its tokenizer's among them; no weights are downloaded."""
    folder = local_folder(ref)
    return folder if folder is not None else _fetch_small(ref, hub.sizes(ref.path, ref.revision), progress)


def _fetch_small(ref: ModelRef, sizes: dict[str, int], progress: Progress) -> Path:
    wanted = [name for name in sizes if any(fnmatch(name, pattern) for pattern in PATTERNS) and "/" not in name]
    return hub.download(ref.path, ref.revision, wanted, progress)


def local_folder(ref: ModelRef) -> Path | None:
    """The folder of a local checkpoint or of a fully cached hub repository; None if only the Hub has it.

    A cached repository is used as it is: name a revision to get a newer one.
    """
    path = resolve(ref)
    folder = Path(path)
    if is_folder(folder):
        if not (folder / "config.json").is_file():
            raise UserError(f"Folder {path} has no config.json: choose a folder made by save_pretrained.")
        return folder
    if folder.is_absolute() or path.startswith((".", "~")) or path.count("/") > 1 or is_file(folder):
        raise UserError(f"There is no folder {path}: give a folder with config.json and safetensors, or a hub id.")
    return _cached(ref)


def has_tokenizer(folder: Path) -> bool:
    """Whether the folder holds a tokenizer's vocabulary."""
    return any(any(folder.glob(name)) for name in TOKENIZER_FILES)


def _cached(ref: ModelRef) -> Path | None:
    folder = hub.cached(ref.path, ref.revision)
    if folder is None or not (folder / "config.json").is_file() or not has_tokenizer(folder):
        return None
    return folder if all((folder / name).is_file() for name in _weight_files(folder)) else None


# --- safetensors headers ---------------------------------------------------------------------------------------------


def _weight_files(folder: Path) -> list[str]:
    if (folder / INDEX).is_file():
        index = _read_json(folder / INDEX)
        try:
            return sorted(set(index["weight_map"].values()))
        except (KeyError, AttributeError) as error:
            raise UserError(f"{folder / INDEX} has no weight_map: download the file again.") from error
    return [WEIGHTS]


def _local_weights(folder: Path) -> dict[str, int]:
    """Weights by dtype over all files of the checkpoint, each checked against its header."""
    total: Counter[str] = Counter()
    for name in _weight_files(folder):
        if (folder / name).is_file():
            total += _header(folder / name)
        elif any(folder.glob("*.bin")) and name == WEIGHTS:
            raise UserError(
                f"Folder {folder} holds pickled .bin weights, which can run code when read: "
                "convert them with save_pretrained(safe_serialization=True)."
            )
        else:
            raise UserError(f"Folder {folder} lacks the weight file {name}: download the checkpoint again.")
    return dict(total)


def _header(path: Path) -> Counter[str]:
    """Weights by dtype from the header of one file: 8 bytes of length, then JSON with shapes and byte ranges."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
            raise UserError(
                f"{path} is damaged or truncated: it is not a complete safetensors file; download it again."
            )
        text = file.read(length)
    count: Counter[str] = Counter()
    end = 0
    try:
        for name, entry in json.loads(text).items():
            if name != "__metadata__":
                values = 1
                for extent in entry["shape"]:
                    values *= extent
                count[entry["dtype"]] += values
                end = max(end, entry["data_offsets"][1])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UserError(
            f"{path} is damaged: its safetensors header cannot be read; download the file again."
        ) from error
    if 8 + length + end != size:
        raise UserError(f"{path} is damaged or truncated: it has {size} bytes but its header says {8 + length + end}.")
    return count


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}): download the file again.") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} is not a JSON object: download the file again.")
    return found
