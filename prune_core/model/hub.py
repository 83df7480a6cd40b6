"""The Hugging Face Hub: what a repository holds, its download, and one clear sentence for each failure."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, errors, hf_hub_download, snapshot_download
from huggingface_hub.errors import HTTPError  # pyright: ignore[reportPrivateImportUsage]  # httpx's, whichever is used
from tqdm.auto import tqdm

from prune_core.schema.errors import UserError
from prune_core.schema.progress import Progress


def weights(repository: str, revision: str | None) -> dict[str, int]:
    """Weights by dtype (safetensors names) over all files of the model, read from their headers on the hub."""
    with hub_errors("model", repository):
        HfApi().model_info(repository, revision=revision)  # the next call misreads an unknown model
        found = HfApi().get_safetensors_metadata(repository, revision=revision)
    return {str(name): count for name, count in found.parameter_count.items()}


def sizes(repository: str, revision: str | None) -> dict[str, int]:
    """The model's files and their bytes."""
    with hub_errors("model", repository):
        found = HfApi().model_info(repository, revision=revision, files_metadata=True)
    return {file.rfilename: file.size or 0 for file in found.siblings or []}


def download(repository: str, revision: str | None, names: list[str], progress: Progress) -> Path:
    """The folder of the local cache that now holds the files `names`; each MiB is reported to `progress`."""
    bar = _bar_class(progress)
    with hub_errors("model", repository):
        paths = [hf_hub_download(repository, name, revision=revision, tqdm_class=bar) for name in names]
    return Path(paths[0]).parent


def cached(repository: str, revision: str | None) -> Path | None:
    """The folder of the local cache for this revision, complete or not; None if there is none. Needs no network."""
    try:
        return Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except errors.LocalEntryNotFoundError:
        return None
    except errors.HFValidationError as error:
        raise UserError(f"{repository!r} is neither a path nor a hub id: a hub id looks like owner/name.") from error


@contextmanager
def hub_errors(kind: str, name: str) -> Iterator[None]:
    """Turn the exceptions of the Hub's client into one sentence about the `kind` ("model", "dataset") called `name`."""
    try:
        yield
    except errors.HFValidationError as error:
        raise UserError(f"{name!r} is neither a path nor a hub id: a hub id looks like owner/name.") from error
    except errors.GatedRepoError as error:
        raise UserError(f"The {kind} {name} is gated: accept its terms on the Hub, then set HF_TOKEN.") from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"The {kind} {name} has no such revision: leave it empty for the newest one.") from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(f"The Hub has no {kind} {name!r}, or it is private: check the id, or set HF_TOKEN.") from error
    except errors.NotASafetensorsRepoError as error:
        raise UserError(f"The {kind} {name} has no safetensors weights: convert it, or choose another.") from error
    except (errors.RemoteEntryNotFoundError, errors.SafetensorsParsingError) as error:
        raise UserError(f"The {kind} {name} cannot be read from the Hub ({_short(error)}): choose another.") from error
    except (HTTPError, errors.LocalEntryNotFoundError, ConnectionError) as error:
        raise UserError(
            f"The Hub cannot be reached for the {kind} {name!r} ({_short(error)}): give a local path, or go online."
        ) from error


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0][:120].rstrip(". ")


def _bar_class(progress: Progress) -> type[tqdm]:
    """A silent tqdm bar that reports each MiB to `progress`, and stops the download if that raises."""
    seen = 0

    class Bar(tqdm):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **{**settings, "disable": True})

        def update(self, n: float | None = 1) -> None:
            nonlocal seen
            before, seen = seen, seen + int(n or 0)
            if seen // 2**20 > before // 2**20:
                progress.advance(seen // 2**20 - before // 2**20)

    return Bar
