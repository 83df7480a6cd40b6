"""The settings of a method as data: what forms, the command line and help texts are built from."""

import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal

from prune_core.methods.base import Method
from prune_core.schema.errors import UserError

EMPTY = ("", "none", "auto")
"""How to leave a setting empty on the command line."""


@dataclass(frozen=True)
class Setting:
    """One field of a method. `kind` is int, float or str; `choices` lists the values if there are only a few.

    `optional` ones may be None, which their help explains. `least`, `most` and `step` are None if there is no limit.
    """

    name: str
    label: str
    help: str
    kind: type
    default: Any
    optional: bool
    choices: tuple[str, ...]
    least: float | None
    most: float | None
    step: float | None


def settings_of(method: type[Method]) -> tuple[Setting, ...]:
    """The settings of a method, in the order of its fields."""
    hints = typing.get_type_hints(method)
    return tuple(_setting(field, hints[field.name]) for field in fields(method))


def with_words(method: Method, words: Mapping[str, str]) -> Method:
    """`method` with settings changed as written, for example {"threshold": "0.7", "rule": "telescoped"}.

    Raises UserError for an unknown setting and for an invalid value.
    """
    known = {each.name: each for each in settings_of(type(method))}
    values = {name: getattr(method, name) for name in known}
    for name, text in words.items():
        if name not in known:
            there_are = ", ".join(known) or "none"
            raise UserError(f"{method.label} has no setting '{name}': its settings are {there_are}.")
        values[name] = _value(method, known[name], text.strip())
    return type(method)(**values)


def from_words(method: Method, pairs: Sequence[str], budget: int | None) -> Method:
    """`method` as given on a command line: settings as "name=value". With a budget, a threshold that is not given is
    found by the search."""
    words = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UserError(f"'{pair}' is not a setting: write name=value, such as threshold=0.7.")
        words[name.strip()] = text
    return with_words(method if budget is None or "threshold" in words else method.at_budget(), words)


def _setting(field: Any, hint: Any) -> Setting:
    args = typing.get_args(hint)
    choices = args if typing.get_origin(hint) is Literal else ()
    kind = str if choices else next((arg for arg in args if arg is not type(None)), hint)
    default = None if field.default is MISSING else field.default
    return Setting(
        field.name, kind=kind, default=default, optional=type(None) in args, choices=choices, **field.metadata
    )


def _value(method: Method, setting: Setting, text: str) -> Any:
    if setting.optional and text.lower() in EMPTY:
        return None
    if setting.choices and text not in setting.choices:
        raise UserError(f"{method.label}: {setting.name} is '{text}': choose one of {', '.join(setting.choices)}.")
    try:
        return setting.kind(text)
    except ValueError:
        wanted = "a whole number" if setting.kind is int else "a number"
        raise UserError(f"{method.label}: {setting.name} is '{text}': give {wanted}.") from None
