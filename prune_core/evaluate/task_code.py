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
    if entry.yaml_path is not None:
        yield from _code_of_file(entry.yaml_path, set())


def _code_of_file(file: Path, seen: set[Path]) -> Iterator[str]:
    """What a YAML file, and the files that it includes, would run: functions, task classes, metrics to be fetched."""
    file = file.resolve()
    if file in seen or not file.is_file():
        return
    seen.add(file)
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from error
    for node in _nodes(root):
        if isinstance(node, yaml.ScalarNode) and node.tag == "!function":
            yield node.value
        elif node.tag.startswith(PYTHON_TAG):
            yield node.tag.removeprefix(PYTHON_TAG)
        elif isinstance(node, yaml.MappingNode):
            values = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
            yield from _code_of_mapping(values)
            include = values.get("include")
            for each in include.value if isinstance(include, yaml.SequenceNode) else [include] if include else []:
                yield from _code_of_file(file.parent / str(each.value), seen)


def _code_of_mapping(values: dict[str, yaml.Node]) -> Iterator[str]:
    if "class" in values:
        yield "a task class"
    listed = values.get("metric_list")
    named = [each for each in listed.value if isinstance(each, yaml.ScalarNode)] if listed is not None else []
    named += [values["metric"]] if "metric" in values else []
    fetched = "hf_evaluate" in values and str(values["hf_evaluate"].value).lower() != "false"
    for each in named:
        known = isinstance(each, yaml.ScalarNode) and each.tag != "!function" and is_known_metric(each.value)
        if each.tag != "!function" and (fetched or not known):
            yield f"the metric {each.value}"


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
