"""Who may know whom, and how large a file may grow."""

import os
import subprocess
import sys
from pathlib import Path

from importlinter.cli import lint_imports

from prune_core.pipeline.house import open_store
from prune_core.store import jobs

ROOT = Path(__file__).resolve().parent.parent


def test_imports_keep_to_the_contracts(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0, "run `lint-imports` to see which"


def test_the_app_process_never_imports_torch(tmp_path):
    code = """
import sys
from streamlit.testing.v1 import AppTest
for page in sys.argv[1:]:
    assert not AppTest.from_file("app.py", default_timeout=300).switch_page(page).run().exception
heavy = sorted({"torch", "transformers", "datasets", "lm_eval"} & set(sys.modules))
sys.exit(f"imported: {heavy}" if heavy else 0)
"""
    pages = [f"pages/{path.name}" for path in (ROOT / "pages").glob("[!_]*.py")]
    home = {**os.environ, "LAYERSCOPE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code, *pages]
    done = subprocess.run(command, cwd=ROOT, env=home, capture_output=True, text=True, check=False)
    jobs.stop_worker(open_store(tmp_path))
    assert done.returncode == 0, done.stderr


def test_files_stay_small_and_are_named_for_what_they_hold():
    files = [path for room in ("prune_core", "pages", "assets") for path in (ROOT / room).rglob("*.py")]
    for path in files:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, f"{path} is too long"
        assert path.stem not in {"utils", "helpers", "common", "misc"}, f"{path} says nothing by its name"
