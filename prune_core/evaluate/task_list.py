"""Finds tasks by name: .jsonl files, tasks in a local folder, lm-eval's own. Slow to import, so only by need."""

import difflib
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import datasets
import datasets.exceptions
import jinja2
import yaml
from lm_eval.tasks import TaskManager

from prune_core.evaluate import lm_eval_parts
from prune_core.evaluate.hub_offline import offline_when_unreachable
from prune_core.evaluate.jsonl_items import JSONL, jsonl_file
from prune_core.evaluate.jsonl_task import jsonl_task
from prune_core.evaluate.lm_eval_parts import Entry, Kind, TaskDict, load_yaml
from prune_core.evaluate.task_code import require_trusted, sandbox_templates
from prune_core.schema.errors import UserError

UNREADABLE = (
    *(OSError, ValueError, LookupError, TypeError, ImportError, SyntaxError),
    *(yaml.YAMLError, jinja2.TemplateError, datasets.exceptions.DatasetsError),
)
"""What lm-eval and `datasets` raise for task files and data files that are wrong."""
LOCAL_READERS = ("json", "csv", "parquet", "text", "arrow")
"""Values of `dataset_path` that read files instead of the hub."""


def load_tasks(names: tuple[str, ...], folder: Path | None) -> TaskDict:
    """The tasks and groups called `names`, together. UserError as `load_each`."""
    found: Any = {"tasks": {}, "groups": {}, "group_map": {}}
    for new in load_each(names, folder).values():
        for kind in found:
            found[kind].update(new[kind])
    return found


def load_each(names: tuple[str, ...], folder: Path | None, seed: Callable[[], None] | None = None) -> dict[str, Any]:
    """The tasks and groups of each name, with their items. Data files are found relative to the YAML that names them.

    `seed` is called before each name: tasks that shuffle while they load then load as they do alone. UserError for a
    folder without tasks, an unknown name, a task that cannot be read or comes twice, and a data set out of reach.
    """
    sandbox_templates()
    found: dict[str, Any] = {}
    by_name = tuple(name for name in names if not name.endswith(JSONL))
    manager = _manager(by_name, folder) if by_name else None
    asks = manager is not None and any(_asks_hub(manager, name) for name in by_name)
    with _quiet_loading(), offline_when_unreachable() if asks else nullcontext():
        for name in names:
            if seed is not None:
                seed()
            new = _from_file(jsonl_file(name, folder)) if name not in by_name else _by_name(manager, name)
            _require_new({task for each in found.values() for task in each["tasks"]}, new, name)
            found[name] = new
    return found


def _from_file(path: Path) -> TaskDict:
    task = jsonl_task(path)
    return {"tasks": {task.task_name: task}, "groups": {}, "group_map": {}}


def _require_new(there: set[str], new: TaskDict, name: str) -> None:
    """UserError where `name` brings a task that is there already: its figures would count twice."""
    twice = sorted(there & set(new["tasks"]))
    if twice:
        raise UserError(
            f"'{name}' brings the task '{twice[0]}' a second time: leave one of them out, or rename its file."
        )


def _manager(names: tuple[str, ...], folder: Path | None) -> TaskManager:
    """A manager that knows all `names`. A folder that holds nothing but .jsonl files adds none to lm-eval's own."""
    only_files = folder is not None and any(folder.glob(f"*{JSONL}")) and not any(folder.glob("**/*.yaml"))
    manager = _local(folder) if folder and not only_files else None
    if manager is None or not _complete(manager, names):
        manager = _with_builtin(manager)
    for name in names:
        _require_known(name, manager, folder)
    if folder is not None:
        local = [entry for entry in _reached(manager, names) if _lies_in(entry, folder)]
        require_trusted(local, folder)
        for entry in local:
            if entry.kind is Kind.TASK:
                _anchor(entry)
    return manager


def _reached(manager: TaskManager, names: tuple[str, ...]) -> list[Entry]:
    """The entries of `names` and, where those are groups or tags, of all their members."""
    found: dict[str, Entry] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        entry = manager.task_index.get(name)
        if entry is None or name in found:
            continue
        found[name] = entry
        if entry.kind is Kind.TAG:
            waiting += entry.tags
        elif entry.kind is Kind.GROUP:
            waiting += _members((entry.cfg or {}).get("task"))
    return list(found.values())


def _members(named: Any) -> Iterator[str]:
    """The names under `task` of a group, in groups that stand within it too, however deep."""
    if isinstance(named, str):
        yield named
    elif isinstance(named, list):
        for each in named:
            yield from _members(each)
    elif isinstance(named, dict):
        yield from _members(named.get("group"))
        yield from _members(named.get("task"))


def _lies_in(entry: Entry, folder: Path) -> bool:
    return entry.yaml_path is not None and entry.yaml_path.is_relative_to(folder)


def _by_name(manager: TaskManager | None, name: str) -> Any:
    assert manager is not None  # made whenever there is a name
    try:
        return manager.load([name])
    except ConnectionError as error:
        raise UserError(
            f"A data set of {name} is not on this machine and the Hub cannot be reached ({error}): "
            "connect to the network, or use tasks from a local folder."
        ) from error
    except UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise UserError(f"The task {name} could not be read ({reason}): check its files.") from error


def _local(folder: Path) -> TaskManager:
    """A manager of the YAML tasks in `folder` alone."""
    files = sorted(folder.glob("**/*.yaml"))
    if not files:
        raise UserError(f"There is no YAML task in {folder}: give a folder that holds lm-eval task files.")
    return TaskManager(include_path=str(folder), include_defaults=False)


def _anchor(entry: Entry) -> None:
    """Make relative data files of a task absolute: `datasets` would look for them where the process was started."""
    if entry.yaml_path is None or not entry.cfg:
        return
    kwargs = dict(entry.cfg.get("dataset_kwargs") or {})
    found = {key: _absolute(kwargs[key], entry.yaml_path.parent) for key in ("data_files", "data_dir") if key in kwargs}
    if found:
        config = load_yaml(entry.yaml_path)  # the index holds it without its !function values
        entry.cfg, entry.yaml_path = {**config, "dataset_kwargs": {**kwargs, **found}}, None


def _absolute(files: Any, folder: Path) -> Any:
    """`files` (a path, or a list or dict of them) with each path that exists beside the YAML made absolute."""
    if isinstance(files, dict):
        return {key: _absolute(value, folder) for key, value in files.items()}
    if isinstance(files, list):
        return [_absolute(value, folder) for value in files]
    return str(folder / files) if (folder / files).exists() else files


def _complete(manager: TaskManager, names: tuple[str, ...]) -> bool:
    """Whether all `names` and the members of those that are groups are in the manager's index."""
    entries = [manager.task_index.get(name) for name in names]
    members = [m for e in entries if e and e.cfg and e.kind is Kind.GROUP for m in e.cfg.get("task") or []]
    return None not in entries and all(m in manager.task_index for m in members if isinstance(m, str))


@functools.cache
def _builtin() -> TaskManager:
    """lm-eval's own fourteen thousand tasks; reading their YAML takes seconds, so once a process."""
    return TaskManager()


def _with_builtin(local: TaskManager | None) -> TaskManager:
    """`local` with lm-eval's own tasks beside its own, which win where names clash."""
    if local is None:
        return _builtin()
    for name, entry in _builtin().task_index.items():
        local.task_index.setdefault(name, entry)
    return local


def _require_known(name: str, manager: TaskManager, folder: Path | None) -> None:
    if name in manager.task_index:
        return
    close = difflib.get_close_matches(name, manager.task_index, n=5, cutoff=0.5)
    broken = [problem for file in sorted(folder.glob("**/*.yaml")) if (problem := _problem(file))] if folder else []
    hint = f"did you mean {', '.join(close)}?" if close else "check the spelling."
    hint = "separate tasks by commas." if " " in name else hint
    unreadable = f" These files in the folder could not be read: {'; '.join(broken)}." if broken else ""
    raise UserError(f"There is no task called '{name}'{f' in {folder}' if folder else ''}: {hint}{unreadable}")


def _problem(file: Path) -> str | None:
    """What is wrong with a YAML file that lm-eval's index passes over in silence."""
    try:
        load_yaml(file, resolve_func=False)
    except (OSError, ValueError, yaml.YAMLError) as error:
        return f"{file.name} ({' '.join(str(error).split())})"
    return None


def _asks_hub(manager: TaskManager, name: str) -> bool:
    """Whether loading `name` fetches a data set by its hub id, as far as its YAML tells."""
    entry = manager.task_index.get(name)
    if entry is None or not entry.cfg:
        return True
    if entry.kind is Kind.GROUP:
        return any(not isinstance(m, str) or _asks_hub(manager, m) for m in entry.cfg.get("task") or [])
    return "custom_dataset" not in entry.cfg and entry.cfg.get("dataset_path") not in LOCAL_READERS


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """lm-eval's warnings and `datasets`' progress bars off while tasks load."""
    bars = datasets.utils.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with lm_eval_parts.quiet():
            yield
    finally:
        if not bars:
            datasets.enable_progress_bars()
