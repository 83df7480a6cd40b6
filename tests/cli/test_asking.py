"""Questions on the command line: what may have changed is computed again, and a model is loaded once."""

from dataclasses import replace

from prune_core.pipeline import residents, runner
from tests.cli.commands import output


def test_free_memory_is_that_of_now(model, monkeypatch):
    real = runner.inspect
    for free in (7e9, 3e9):
        monkeypatch.setattr(runner, "inspect", lambda ref, free=free: replace(real(ref), free_bytes=int(free)))
        assert f"{free / 1e9:.1f} GB free" in output("inspect", model, "--device", "cpu")


def test_a_model_is_loaded_once(model, monkeypatch):
    loaded, load = [], residents.load
    monkeypatch.setattr(residents, "load", lambda *given: loaded.append(1) or load(*given))
    for layer in ("1", "2"):
        output("preview", model, "--device", "cpu", "--drop", layer, "--samples", "4")
    assert len(loaded) == 1
