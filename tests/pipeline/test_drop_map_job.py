"""The drop map as a job: its partial map is there to be drawn, and a stopped job goes on from it."""

import numpy as np
import pytest
from typer.testing import CliRunner

from prune_core.__main__ import app
from prune_core.measure import drop_map
from prune_core.model.load import load
from prune_core.pipeline import planning
from prune_core.pipeline.house import open_store
from prune_core.pipeline.planning import map_drops
from prune_core.pipeline.residents import Resident
from prune_core.pipeline.specs import DropMapSpec
from prune_core.schema.drop_map import DropMap
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.job import Job
from prune_core.schema.progress import Silent
from prune_core.store import jobs, worker
from tests.fixtures.tiny import tiny_model, tiny_tokenizer


@pytest.fixture
def spec(tmp_path) -> DropMapSpec:
    """The drop map of a tiny checkpoint on six short texts."""
    tiny_model("llama", 4).save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    text = tmp_path / "text.jsonl"
    text.write_text("".join(f'{{"text": "text number {n}{"!" * n}"}}\n' for n in range(6)))
    return DropMapSpec(ModelRef(str(tmp_path / "model"), device="cpu"), Calibration(str(text), samples=6, seq_len=16))


def test_a_cancelled_map_is_kept_and_gone_on_with(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "WRITE_EVERY_S", 0.0)
    store, resident = open_store(tmp_path / "home"), Resident(load(spec.model))
    run_id = jobs.job_id(spec)
    seen: list[int] = []

    def run(run_id, spec, progress):
        return map_drops(store, run_id, resident, spec, progress)

    def cancel_half_way(job: Job) -> None:
        seen.append(job.total)
        if job.done > job.total // 2 > 0:
            jobs.cancel(store, run_id)

    assert jobs.take(store, spec, run_id)
    job = worker.execute(store, run_id, run, cancel_half_way)
    assert job is not None and job.state == "cancelled"
    so_far = store.partial(run_id)
    assert isinstance(so_far, DropMap) and 0 < so_far.sequences < so_far.planned == 6
    assert np.isfinite(so_far.delta[1, 3]) and store.result(run_id) is None

    assert jobs.take(store, spec, run_id)
    totals: list[int] = []
    job = worker.execute(store, run_id, run, lambda job: totals.append(job.total))
    assert job is not None and job.state == "done"
    assert 0 < max(totals) < max(seen)  # what was done is not done again
    whole = store.result(run_id)
    assert isinstance(whole, DropMap) and whole.sequences == 6 and store.partial(run_id) is None
    np.testing.assert_array_equal(whole.nll[so_far.places], so_far.nll)
    assert whole.seconds > so_far.seconds


def test_the_same_numbers_as_in_one_piece(spec, tmp_path):
    store, resident = open_store(tmp_path / "home"), Resident(load(spec.model))
    store.save_spec("dropmap-x", spec)
    result = map_drops(store, "dropmap-x", resident, spec, Silent())
    again = drop_map.measure_drops(resident.loaded.model, planning.calibrated(resident, spec.calibration))
    np.testing.assert_array_equal(again.kl, result.kl)


def test_on_the_command_line(spec, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path / "home"))
    table = tmp_path / "damage.csv"
    given = [spec.model.path, "--text", spec.calibration.source, "--samples", "6", "--seq-len", "16", "--device", "cpu"]
    found = CliRunner().invoke(app, ["dropmap", *given, "--budget", "2", "--csv", str(table)], catch_exceptions=False)
    assert found.exit_code == 0
    assert "Cost of the cheapest block of each size" in found.output
    assert "Angular distance" in found.output and "Linear CKA" in found.output
    assert "The best sets of blocks" in found.output
    assert len(table.read_text().splitlines()) == 1 + 4 * 5 // 2 - 1
