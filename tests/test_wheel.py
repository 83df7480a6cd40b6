"""The wheel, installed beside the packages of this environment but away from the repository, works by itself."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen
from zipfile import ZipFile

import pytest

from prune_core import __version__
from prune_core.pipeline.house import open_store
from prune_core.store import jobs
from tests.e2e.conftest import end, free_port, wait_for_health

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("pages", "assets/demo_model", "assets/corpus", "assets/tasks")


@dataclass(frozen=True)
class Installation:
    """An environment that LayerScope was installed into, and a folder outside the repository to call it from."""

    wheel: Path
    environment: Path
    outside: Path

    @property
    def packages(self) -> Path:
        return self.environment / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"

    @property
    def variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STREAMLIT"))}
        own = {"HOME": str(self.outside), "LAYERSCOPE_HOME": str(self.outside / "store"), "OMP_NUM_THREADS": "1"}
        return kept | own

    def call(self, program: str, *arguments: str) -> str:
        """What the program of this environment prints."""
        command = [str(self.environment / "bin" / program), *arguments]
        done = subprocess.run(
            command, cwd=self.outside, env=self.variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "outside").mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = [*pip, "wheel", "--no-index", "--no-build-isolation", "--no-deps", "-w", str(folder), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("*.whl")
    there = Installation(wheel, folder / "environment", folder / "outside")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(there.environment)], check=True)
    # A .pth file adds folders, but not what the .pth files in them would add: not this repository.
    ours = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (there.packages / "ours.pth").write_text("\n".join(ours) + "\n", encoding="utf-8")
    python = str(there.environment / "bin" / "python")
    subprocess.run([*pip, "--python", python, "install", "--no-index", "--no-deps", str(wheel)], check=True)
    yield there
    jobs.stop_worker(open_store(there.outside / "store"))


def test_the_wheel_takes_two_names_only(installed: Installation):
    with ZipFile(installed.wheel) as wheel:
        tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"prune_core", "layerscope_app", f"layerscope-{__version__}.dist-info"}


def test_the_wheel_holds_the_whole_engine_and_the_whole_app(installed: Installation):
    for folder, target in (("prune_core", "prune_core"), *((name, f"layerscope_app/{name}") for name in SHIPPED)):
        ours, theirs = (contents(place) for place in (ROOT / folder, installed.packages / target))
        assert ours and theirs == ours
    for file in ("app.py", ".streamlit/config.toml", "assets/images/icon.png"):
        assert (installed.packages / "layerscope_app" / file).read_bytes() == (ROOT / file).read_bytes()


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files if file.name != ".DS_Store"}


def test_the_engine_is_the_wheels_and_tells_one_version(installed: Installation):
    code = "import prune_core, importlib.metadata as m; print(prune_core.__file__, m.version('layerscope'))"
    file, version = installed.call("python", "-c", code).split()
    assert Path(file) == installed.packages / "prune_core" / "__init__.py"
    assert version == __version__


def test_the_command_measures_the_demo(installed: Installation):
    shown = installed.call("layerscope", "measure", "demo", "--samples", "4", "--seq-len", "32")
    assert "16 layers" in shown and "of 4 texts" in shown
    assert "Block Influence of each layer" in shown


def test_the_app_runs_from_any_folder_with_its_theme_and_worker(installed: Installation, tmp_path: Path):
    port, log = free_port(), tmp_path / "server.log"
    with log.open("wb") as sink:
        server = subprocess.Popen(
            [str(installed.environment / "bin" / "layerscope"), "app", "--port", str(port)],
            cwd=installed.outside,
            env=installed.variables,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for_health(server, url, log)
        with urlopen(url, timeout=10) as answer:
            assert b"<title>Streamlit</title>" in answer.read()
        done = subprocess.run(
            [sys.executable, "-m", "tests.fixtures.visit", url], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stderr}\n{log.read_text(encoding='utf-8')}"
    finally:
        end(server)
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    colour = settings["theme"]["light"]["textColor"].removeprefix("#")
    red, green, blue = bytes.fromhex(colour)
    seen = f'{{"errors": [], "text_colour": "rgb({red}, {green}, {blue})", "strangers": []}}'
    assert done.stdout.strip() == seen
    assert url in log.read_text(encoding="utf-8")
