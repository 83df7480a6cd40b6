"""Where the files are that ship beside the engine: the demo's model, text and tasks under `assets/`. No torch."""

from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[2]
_INSTALLED = _BESIDE / "layerscope_app"  # pyproject.toml puts them there in a wheel

ROOT = _INSTALLED if _INSTALLED.is_dir() else _BESIDE
"""The folder of app.py, pages/ and assets/: the repository, or layerscope_app where LayerScope was installed."""

DEMO_MODEL = ROOT / "assets" / "demo_model"
CALIBRATION_TEXT = ROOT / "assets" / "corpus" / "calibration.txt"
HELDOUT_TEXT = ROOT / "assets" / "corpus" / "heldout.txt"
TASKS = ROOT / "assets" / "tasks"
