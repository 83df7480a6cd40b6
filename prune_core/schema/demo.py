"""Where the demo's files are: the model, its text and its tasks, all under `assets/` of the repository. No torch."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEMO_MODEL = ROOT / "assets" / "demo_model"
CALIBRATION_TEXT = ROOT / "assets" / "corpus" / "calibration.txt"
HELDOUT_TEXT = ROOT / "assets" / "corpus" / "heldout.txt"
TASKS = ROOT / "assets" / "tasks"
