"""Pictures say what the results say; they are drawn without streamlit; colours are those of the app's theme."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_figures_need_no_streamlit_and_no_torch() -> None:
    code = "import sys, pages._ui.figures; print({'streamlit', 'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- the map --------------------------------------------------------------------------------------------------------


# --- layers ---------------------------------------------------------------------------------------------------------


# --- costs ----------------------------------------------------------------------------------------------------------
