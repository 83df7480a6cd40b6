"""Code that task files bring along: found by reading, never by running, and refused unless the folder is trusted here.

A YAML task may name Python functions of a file beside it (`!function`), a task class, or a metric that the `evaluate`
library fetches and runs. Trust is a setting of this process, the environment variable LAYERSCOPE_TRUST_TASKS: it is
never part of a recipe, so a recipe from elsewhere cannot bring it along.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

from prune_core.evaluate.lm_eval_parts import Entry, Kind, is_known_metric, set_templates, templates
from prune_core.schema import demo
from prune_core.schema.errors import UserError

TRUST = "LAYERSCOPE_TRUST_TASKS"
"""Folders whose task files may run their own code, parted as in PATH."""

PYTHON_TAG = "tag:yaml.org,2002:python/"


def is_trusted(folder: Path) -> bool:
    """Whether task files in `folder` may run code: the demo's, which ship here, and those that the user named."""
    named = filter(None, os.environ.get(TRUST, "").split(os.pathsep))
    return any(folder.resolve().is_relative_to(Path(each).resolve()) for each in (*named, demo.TASKS))


def require_trusted(entries: Iterable[Entry], folder: Path) -> None:
    """UserError where one of the task files of `entries` would run code and `folder` is not trusted."""
    if is_trusted(folder):
        return
    for entry in entries:
        found = sorted(set(_code_in(entry)))
        if found:
            raise UserError(
                f"The task '{entry.name}' would run its own code ({', '.join(found)}): read that code, and "
                f"if you trust it, start LayerScope with the environment variable {TRUST}={folder}."
            )


def sandbox_templates() -> None:
    """Have lm-eval fill in templates in a sandbox from now on: as it stands, a template can call any Python function.

    The templates of task files come from anywhere. Chat templates are sandboxed by transformers.
    """
    plain = templates()
    if not isinstance(plain, ImmutableSandboxedEnvironment):
        sandbox = ImmutableSandboxedEnvironment(
            loader=plain.loader, undefined=plain.undefined, keep_trailing_newline=plain.keep_trailing_newline
        )
        sandbox.filters.update(plain.filters)
        set_templates(sandbox)


def _code_in(entry: Entry) -> Iterator[str]:
    if entry.kind is Kind.PY_TASK:
        yield "a task class"
    for metric in (entry.cfg or {}).get("metric_list") or []:
        name = metric.get("metric") if isinstance(metric, dict) else metric
        fetched = isinstance(metric, dict) and metric.get("hf_evaluate") is True
        if isinstance(name, str) and (fetched or not is_known_metric(name)) and not _is_file_function(entry, name):
            yield f"the metric {name}"
    if entry.yaml_path is not None:
        yield from _functions(entry.yaml_path, set())


def _is_file_function(entry: Entry, name: str) -> bool:
    """Whether `name` is what the index makes of a `!function` value, which `_functions` tells of."""
    return entry.yaml_path is not None and name.startswith(str(entry.yaml_path.parent))


def _functions(file: Path, seen: set[Path]) -> Iterator[str]:
    """The values of all `!function` tags in a YAML file and in the files that it includes."""
    file = file.resolve()
    if file in seen or not file.is_file():
        return
    seen.add(file)
    root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    for node in _nodes(root):
        if isinstance(node, yaml.ScalarNode) and node.tag == "!function":
            yield node.value
        elif node.tag.startswith(PYTHON_TAG):
            yield node.tag.removeprefix(PYTHON_TAG)
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == "include":
                    for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                        yield from _functions(file.parent / each.value, seen)


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """Every node once: aliases make a YAML file a graph, and one that could be walked for ever."""
    waiting, seen = [root] if root is not None else [], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            waiting += [each for pair in node.value for each in pair]
