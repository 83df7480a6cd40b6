"""The house is tidy: folders as planned, and every module of the engine is tested in the room of its name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENGINE = ROOT / "prune_core"
ROOMS = (
    "schema", "model", "data", "forward", "measure", "methods", "cut", "search", "evaluate", "export", "store",
    "pipeline", "cli",
)  # fmt: skip
"""The rooms of the engine, in the order of the pipeline."""
MODULES = sorted(path for path in ENGINE.rglob("*.py") if path.parent != ENGINE and path.name != "__init__.py")


def folders(of: Path) -> set[str]:
    return {path.name for path in of.iterdir() if path.is_dir() and not path.name.startswith(("_", "."))}


def test_the_engine_is_its_rooms_and_nothing_strays_beside_them() -> None:
    assert folders(ENGINE) == set(ROOMS)
    assert {path.name for path in ENGINE.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_the_map_of_the_house_names_every_room_in_order() -> None:
    for text in (ENGINE / "__init__.py", ROOT / "README.md"):
        words = [line.split()[0] for line in text.read_text(encoding="utf-8").splitlines() if line.strip()]
        assert [word[:-1] for word in words if word.endswith("/") and word[:-1] in ROOMS] == list(ROOMS)


def test_tests_have_the_folders_of_what_they_test() -> None:
    assert set(ROOMS) <= folders(ROOT / "tests") <= {*ROOMS, "pages", "e2e", "bench", "fixtures", "real", "gpu"}
    assert folders(ROOT / "tests" / "pages") == folders(ROOT / "pages" / "_ui")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ENGINE).with_suffix("").as_posix())
def test_every_module_is_imported_by_a_test_of_its_own_room(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    room = ROOT / "tests" / path.relative_to(ENGINE).parts[0]
    assert any(module in imported(test) for test in room.rglob("test_*.py")), f"no file in {room} imports {module}"


def imported(file: Path) -> set[str]:
    """Every module that the file imports, or might: of "from a.b import c" both a.b and a.b.c."""
    return set(_imported(ast.parse(file.read_text(encoding="utf-8"))))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
