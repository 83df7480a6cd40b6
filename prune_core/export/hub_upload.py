"""Push a built checkpoint to the Hugging Face Hub, as a new repository in the user's account."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError

from prune_core.model.hub import hub_errors
from prune_core.schema.errors import UserError
from prune_core.schema.progress import Progress
from prune_core.schema.wording import bytes_in_words

GIT_ATTRIBUTES = ".gitattributes"  # the Hub puts it into every new repository


def upload(folder: Path, repository: str, private: bool, progress: Progress) -> str:
    """Push every file of `folder` to the new repository `repository` ("owner/name") and return its address.

    The files appear there all at once, in one commit. A repository that already has files is left as it is. Raises
    UserError if nobody is logged in, the name is taken, or the Hub refuses.
    """
    if get_token() is None:
        raise UserError("You are not logged in to the hub: run `hf auth login` in a terminal, or set HF_TOKEN.")
    api = HfApi()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise UserError(f"{folder} holds no checkpoint: push a finished run.")
    with hub_errors("repository", repository), _refusals(repository):
        address = str(api.create_repo(repository, private=private, exist_ok=True))
        if {file.rfilename for file in api.model_info(repository).siblings or []} - {GIT_ATTRIBUTES}:
            raise UserError(f"The repository {repository} already has files: choose a new name.")
        total = sum(path.stat().st_size for path in files)
        progress.stage(f"pushing {bytes_in_words(total)} to {repository}", len(files), "files")
        additions = []
        for path in files:
            addition = CommitOperationAdd(path.relative_to(folder).as_posix(), path)
            api.preupload_lfs_files(repository, [addition])  # large files are uploaded here, one at a time
            additions.append(addition)
            progress.advance()
        api.create_commit(repository, additions, commit_message="Upload the model that LayerScope built")
    return address


@contextmanager
def _refusals(repository: str) -> Iterator[None]:
    """Turn the Hub's refusal of a push into one sentence."""
    try:
        yield
    except HfHubHTTPError as error:
        if error.response.status_code not in (400, 401, 403):
            raise
        raise UserError(
            f"The hub refuses the push to {repository} (status {error.response.status_code}): log in with a token that "
            "can write there, and give the name as owner/name."
        ) from error
