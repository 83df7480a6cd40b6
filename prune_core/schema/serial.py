"""Dataclasses to JSON and back, exactly. The type hints are the schema; unions are distinguished by a "type" key."""

import dataclasses
import functools
import json
import types
import typing
from typing import Any

from prune_core.schema.errors import UserError


def to_json(value: Any) -> Any:
    """`value` as plain JSON data. Every dataclass carries its class name under "type"."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"type": type(value).__name__, **pairs}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form; arrays go to arrays.safetensors")


def from_json(cls: Any, data: Any) -> Any:
    """The value that `to_json` wrote as `data`. cls: a dataclass, union, tuple, dict, Literal or plain type.

    Fields that `data` lacks get their defaults, unless the dataclass knows better what older files meant.
    """
    origin, args = typing.get_origin(cls), typing.get_args(cls)
    if origin is typing.Literal:
        return _checked(data in args, data, f"one of {', '.join(map(str, args))}")
    if origin in (typing.Union, types.UnionType):
        return _from_union(args, data)
    if origin is tuple:
        _checked(isinstance(data, list), data, "a list")
        return tuple(from_json(args[0], item) for item in data)
    if origin is dict:
        _checked(isinstance(data, dict), data, "an object")
        return {key: from_json(args[1], item) for key, item in data.items()}
    if dataclasses.is_dataclass(cls):
        return _from_object(cls, data)
    if cls is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    return _checked(type(data) is cls, data, f"a value of type {cls.__name__}")


def dumps(value: Any) -> str:
    """Indented JSON text of `value`; NaN and infinity are refused, since other readers cannot parse them."""
    return json.dumps(to_json(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _from_union(args: tuple[Any, ...], data: Any) -> Any:
    if data is None and type(None) in args:
        return None
    classes = {cls.__name__: cls for cls in args if isinstance(cls, type) and dataclasses.is_dataclass(cls)}
    if isinstance(data, dict) and data.get("type") in classes:
        return from_json(classes[data["type"]], data)
    plain = [cls for cls in args if cls is not type(None) and not dataclasses.is_dataclass(cls)]
    if len(plain) == 1:
        return from_json(plain[0], data)
    raise UserError(f"Found {data!r:.80} where one of {', '.join(classes)} was expected: check the file.")


_hints = functools.cache(typing.get_type_hints)  # slow, and needed for every object


def _from_object(cls: Any, data: Any) -> Any:
    _checked(isinstance(data, dict) and data.get("type") == cls.__name__, data, f"an object of type {cls.__name__}")
    hints = _hints(cls)
    names = {f.name for f in dataclasses.fields(cls)}
    unknown = sorted(set(data) - names - {"type"})
    if unknown:
        raise UserError(f"{cls.__name__} has no setting '{unknown[0]}': remove it or update LayerScope.")
    try:
        made = cls(**{key: from_json(hints[key], item) for key, item in data.items() if key != "type"})
    except TypeError as error:
        raise UserError(f"{cls.__name__} is incomplete ({error}): check the file.") from error
    missing = names - set(data)
    return made.as_older_files_meant(missing) if missing and hasattr(made, "as_older_files_meant") else made


def _checked(ok: bool, data: Any, expected: str) -> Any:
    if not ok:
        raise UserError(f"Found {data!r:.80} where {expected} was expected: check the file.")
    return data
