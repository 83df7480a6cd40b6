"""Recipes: a RunSpec as a JSON file, exported from the app and imported again."""

import json
from pathlib import Path

from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.run import RunSpec


def read_recipe(path: Path) -> RunSpec:
    """The run that a recipe file describes. Raises UserError if it is missing, not JSON or not a recipe."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"There is no file {path}: give the path of a recipe.json.") from None
    return parse_recipe(content, str(path))


def parse_recipe(content: bytes, name: str) -> RunSpec:
    """The run that the content of the file `name` describes. Raises UserError if it is not a recipe."""
    try:
        data = json.loads(content)
    except ValueError as error:  # not JSON, or not UTF-8
        raise UserError(f"{name} is not JSON ({error}): give a recipe.json written by LayerScope.") from None
    kind = data.get("type") if isinstance(data, dict) else None
    if kind != "RunSpec":
        found = f"holds a {kind}" if isinstance(kind, str) else "does not say that it is one"
        raise UserError(f"{name} is not a recipe, since it {found}: give a recipe.json written by LayerScope.")
    try:
        return serial.from_json(RunSpec, data)
    except UserError as error:
        raise UserError(f"The recipe {name} cannot be read. {error}") from None
