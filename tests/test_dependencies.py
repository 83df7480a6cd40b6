"""What is imported is declared in pyproject.toml, and what is declared is imported or needed for a reason."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = {"prune_core", "pages", "assets", "app", "tests"}

NEEDED_UNSEEN = {
    "accelerate": "transformers asks for it where a model is put on a GPU while it loads",
    "sentencepiece": "tokenizers that come as tokenizer.model alone",
    "protobuf": "tokenizers that come as tokenizer.model alone",
    "pytest-timeout": "the timeout in pyproject.toml",
    "ruff": "make lint",
    "basedpyright": "make lint",
    "hatchling": "tests/test_wheel.py builds the wheel with what is installed",
}
"""Packages that no import shows."""

with (ROOT / "pyproject.toml").open("rb") as file:
    PROJECT = tomllib.load(file)["project"]


def plain(name: str) -> str:
    """A package's name as it is compared: "Jinja2" and "jinja2", "lm_eval" and "lm-eval" are one."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {plain(re.split(r"[^\w.-]", each, maxsplit=1)[0]) for each in requirements}


def imports(*rooms: str) -> dict[str, set[str]]:
    """The top modules that these files and folders import, and which files do."""
    found: dict[str, set[str]] = {}
    for room in rooms:
        for path in [ROOT / room] if room.endswith(".py") else sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                for name in names:
                    found.setdefault(name.split(".")[0], set()).add(path.relative_to(ROOT).as_posix())
    return {name: files for name, files in found.items() if name not in sys.stdlib_module_names and name not in OURS}


def undeclared(found: dict[str, set[str]], packages: set[str]) -> list[str]:
    """A line for each imported module that no declared package brings."""
    known = packages_distributions()
    lines = []
    for module, files in sorted(found.items()):
        brought_by = {plain(name) for name in known.get(module, [module])}
        if not brought_by & packages:
            lines.append(f"{module} (package {' or '.join(sorted(brought_by))}), imported by {sorted(files)[0]}")
    return lines


def test_what_the_program_imports_is_declared():
    found = imports("prune_core", "pages", "app.py", "assets")
    assert {"numpy", "torch", "streamlit", "yaml"} <= set(found)
    assert undeclared(found, declared(PROJECT["dependencies"])) == [], "add these to dependencies in pyproject.toml"


def test_what_the_tests_import_is_declared():
    packages = declared(PROJECT["dependencies"]) | declared(PROJECT["optional-dependencies"]["dev"])
    found = imports("tests")
    assert {"pytest", "hypothesis"} <= set(found)
    assert undeclared(found, packages) == [], "add these to the dev extra in pyproject.toml"


def test_what_is_declared_is_used():
    known = packages_distributions()
    found = imports("prune_core", "pages", "app.py", "assets", "tests")
    used = {plain(package) for module in found for package in known.get(module, [module])}
    extra = declared(PROJECT["dependencies"]) | declared(PROJECT["optional-dependencies"]["dev"])
    assert extra - used - set(NEEDED_UNSEEN) == set(), "remove these from pyproject.toml, or say what they are for"


def test_an_undeclared_import_is_named():
    found = {"yaml": {"a.py"}, "nowhere_at_all": {"b.py"}}
    assert undeclared(found, {"pyyaml"}) == ["nowhere_at_all (package nowhere-at-all), imported by b.py"]
    assert undeclared(found, {"nowhere-at-all"}) == ["yaml (package pyyaml), imported by a.py"]


def test_every_declared_package_is_pinned():
    pins = {plain(line.split("==")[0]) for line in (ROOT / ".setup" / "constraints.txt").read_text().splitlines()}
    packages = declared(PROJECT["dependencies"]) | declared(PROJECT["optional-dependencies"]["dev"])
    assert packages - pins == set(), "add the installed versions to .setup/constraints.txt"
