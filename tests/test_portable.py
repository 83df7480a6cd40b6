"""Nothing in the engine or the pages is there on POSIX systems alone, so that Windows is not shut out by construction.

What a module of the standard library has on which system is read from typeshed's stubs, which basedpyright brings.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import basedpyright
import pytest

ROOT = Path(__file__).resolve().parents[1]
STUBS = Path(basedpyright.__file__).parent / "dist" / "typeshed-fallback" / "stdlib"
FILES = [ROOT / "app.py", *sorted((ROOT / "prune_core").rglob("*.py")), *sorted((ROOT / "pages").rglob("*.py"))]
RAISING = {"preexec_fn", "pass_fds"}  # arguments of subprocess that Windows refuses


def test_nothing_is_there_on_posix_alone():
    found = {file.relative_to(ROOT).as_posix(): list(posix_only(file.read_text(encoding="utf-8"))) for file in FILES}
    assert len(found) > 100
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import fcntl", ["1: fcntl"]),
        ("def late():\n    from pwd import getpwnam", ["2: pwd"]),
        ("import os as o\no.fork()", ["2: os.fork"]),
        ("from os import posix_spawn, getpid", ["1: os.posix_spawn"]),
        ("import os, signal\nos.kill(1, signal.SIGKILL)\nos.kill(1, 0)", ["2: signal.SIGKILL", "3: os.kill(..., 0)"]),
        ("import os\nos.waitpid(1, os.WNOHANG)", ["2: os.WNOHANG"]),
        ("import subprocess\nsubprocess.run([], preexec_fn=print)", ["2: preexec_fn="]),
        ("import time, select\ntime.tzset()\nselect.poll()", ["2: time.tzset", "3: select.poll"]),
        ("import sys\nif sys.platform == 'win32':\n    import msvcrt\nelse:\n    import fcntl", []),
        ("import sys\nif sys.platform != 'win32':\n    import msvcrt\nelse:\n    import fcntl", ["5: fcntl"]),
        ("import os\nif os.name == 'posix':\n    os.setsid()", []),
        ("import os\nif os.getpid():\n    os.setsid()", ["3: os.setsid"]),
        ("try:\n    import resource\nexcept ImportError:\n    resource = None", []),
        ("import os, signal\nos.getppid(), os.waitpid, signal.SIGTERM, os.replace, os.cpu_count", []),
    ],
)
def test_the_scan_finds_what_windows_lacks_and_only_that(code: str, found: list[str]):
    assert list(posix_only(code)) == found


def posix_only(code: str) -> Iterator[str]:
    """ "line: name" of whatever `code` takes from the standard library that Linux has and Windows does not."""
    tree = ast.parse(code)
    seen = list(reached(tree))
    named = {
        alias.asname or alias.name: alias.name for node in seen if isinstance(node, ast.Import) for alias in node.names
    }
    for node in seen:
        for name in taken(node, named):
            yield f"{node.lineno}: {name}"


def taken(node: ast.AST, named: dict[str, str]) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names if is_posix_only(alias.name))
        case ast.ImportFrom(module=str(module), names=names, level=0):
            if is_posix_only(module):
                yield module
            else:
                yield from (f"{module}.{alias.name}" for alias in names if is_posix_only(module, alias.name))
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in named:
            if not is_posix_only(named[name]) and is_posix_only(named[name], attribute):
                yield f"{named[name]}.{attribute}"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="kill"), args=[_, ast.Constant(value=0)]):
            yield "os.kill(..., 0)"  # which only asks on POSIX; on Windows 0 is Ctrl+C
        case ast.keyword(arg=str(name)) if name in RAISING:
            yield f"{name}="
        case _:
            pass


def is_posix_only(module: str, name: str | None = None) -> bool:
    """Whether Linux has the module, or its `name`, and Windows has not."""
    there, here = names(module, "linux"), names(module, "win32")
    return bool(there) and not here if name is None else name in there - here


@cache
def names(module: str, platform: str) -> frozenset[str]:
    """What typeshed says that the module defines on the platform; nothing for modules that it does not know."""
    path = STUBS.joinpath(*module.split("."))
    stub = next((file for file in (path.with_suffix(".pyi"), path / "__init__.pyi") if file.is_file()), None)
    if stub is None:
        return frozenset()
    defined = set()
    for node in within(ast.parse(stub.read_text(encoding="utf-8")).body, platform):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                defined.add(name)
            case ast.Assign(targets=targets):
                defined |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.ImportFrom(names=aliases):
                defined |= {alias.asname for alias in aliases if alias.asname == alias.name}
            case _:
                pass
    return frozenset(defined)


def within(body: list[ast.stmt], platform: str) -> Iterator[ast.stmt]:
    """The statements of a stub that hold on the platform."""
    for node in body:
        if isinstance(node, ast.If):
            yield from within(node.body if holds(node.test, platform) else node.orelse, platform)
        else:
            yield node


def reached(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and all below it, but for what Windows does not reach and what is tried and caught."""
    yield node
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.If(test=test) if is_about_the_system(test):
                for statement in child.body if holds(test, "win32") else child.orelse:
                    yield from reached(statement)
            case ast.Try(handlers=handlers) if any(
                "ImportError" in ast.unparse(each.type or each) for each in handlers
            ):
                for statement in (*handlers, *child.orelse, *child.finalbody):
                    yield from reached(statement)
            case _:
                yield from reached(child)


def is_about_the_system(test: ast.expr) -> bool:
    words = {ast.unparse(node) for node in ast.walk(test) if isinstance(node, ast.Attribute)}
    called = any(isinstance(node, ast.Call) for node in ast.walk(test))
    return bool(words) and words <= {"sys.platform", "os.name"} and not called


def holds(test: ast.expr, platform: str) -> bool:
    """Whether a condition on the system holds, on the platform with this version of Python."""
    known = {
        "sys": SimpleNamespace(platform=platform, version_info=sys.version_info),
        "os": SimpleNamespace(name="nt" if platform == "win32" else "posix"),
        "TYPE_CHECKING": True,
    }
    return bool(eval(compile(ast.Expression(test), "condition", "eval"), known))
