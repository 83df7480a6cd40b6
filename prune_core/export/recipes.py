"""Recipes: a RunSpec as a JSON file, out of the app and in again."""

import json
from pathlib import Path

from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.run import RunSpec


def read_recipe(path: Path) -> RunSpec:
    """The run that a recipe file describes. Raises UserError where it is missing, no JSON or no recipe."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"There is no file {path}: give the path of a recipe.json.") from None
    return parse_recipe(content, str(path))


def parse_recipe(content: bytes, name: str) -> RunSpec:
    """The run that the content of the file `name` describes. Raises UserError where it is no recipe."""
    try:
        data = json.loads(content)
    except ValueError as error:  # no JSON, or no UTF-8
        raise UserError(f"{name} is not JSON ({error}): give a recipe.json that LayerScope wrote.") from None
    kind = data.get("type") if isinstance(data, dict) else None
    if kind != "RunSpec":
        found = f"holds a {kind}" if isinstance(kind, str) else "does not say that it is one"
        raise UserError(f"{name} is no recipe, since it {found}: give a recipe.json that LayerScope wrote.")
    try:
        return serial.from_json(RunSpec, data)
    except UserError as error:
        raise UserError(f"{name} is a recipe that cannot be read. {error}") from None
