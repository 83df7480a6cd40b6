"""Progress on standard error: a bar on a terminal, plain lines now and then elsewhere."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from prune_core.__main__ import app
from prune_core.cli import progress
from prune_core.cli.progress import BarOfStage, LinesOfStages, about, progress_shown
from prune_core.schema.job import Job
from tests.fixtures.tiny import tiny_model, tiny_tokenizer

JOB = Job("measure-1", "measure", "running")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_at_the_start_and_end_of_each_stage_and_every_half_minute(capsys):
    now = 0.0
    watch = LinesOfStages(lambda: now)
    watch(JOB)
    stage = replace(JOB, stage="measuring layers", total=8192, unit="tokens")
    for now in range(0, 101):  # a call a second
        watch(replace(stage, done=80 * now, eta_s=102.4 - now) if now else stage)
    now = 103.0
    watch(replace(JOB, stage="summing up", total=0))
    now = 104.0
    watch(replace(JOB, stage="summing up", state="done"))
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "measuring layers: 0 of 8,192 tokens",
        "measuring layers: 2,400 of 8,192 tokens, about 1 min left",
        "measuring layers: 4,800 of 8,192 tokens, about 40 s left",
        "measuring layers: 7,200 of 8,192 tokens, about 10 s left",
        "measuring layers: done in 1 min 43 s",
        "summing up",
        "summing up: done in 1 s",
    ]


def test_a_stage_that_comes_again_is_a_new_one_and_one_that_stops_says_where(capsys):
    watch = LinesOfStages(lambda: 0.0)
    stage = replace(JOB, stage="scoring [red]it[/red]\x1b[2J", total=4)
    for job in (stage, replace(stage, done=4), stage, replace(stage, done=1), replace(stage, done=1, state="failed")):
        watch(job)
    name = r"scoring [red]it[/red]\x1b[2J"
    assert capsys.readouterr().err.splitlines() == [
        f"{name}: 0 of 4 steps",
        f"{name}: done in 0 s",
        f"{name}: 0 of 4 steps",
        f"{name}: 1 of 4 steps, stopped after 0 s",
    ]


def test_a_bar_says_what_is_done_of_how_much_and_what_is_left():
    screen = Screen()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    with progress._bar(console) as bar:
        watch = BarOfStage(bar)
        watch(JOB)
        assert not bar.tasks
        for job in (
            replace(JOB, stage="measuring [b]layers", total=8192, unit="tokens", done=1024, eta_s=130.0),
            replace(JOB, stage="loading", total=0, done=3),
        ):
            watch(job)
            bar.refresh()
            (task,) = bar.tasks
            assert (task.completed, task.total) == (job.done, job.total or None)
        watch(replace(JOB, state="done"))
        assert not bar.tasks
    shown = screen.getvalue()
    assert re.search(r"measuring \[b\]layers .*1,024/8,192 tokens 2 min left", shown)
    assert "loading" in shown and "0/0" not in shown


@pytest.mark.parametrize(("terminal", "term"), [(True, "xterm"), (True, "dumb"), (False, "xterm")])
def test_only_a_terminal_that_can_draw_gets_a_bar(terminal, term, monkeypatch):
    stderr = Screen() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in many CI systems, whose logs are no terminals
    with progress_shown() as watch:
        watch(replace(JOB, stage="measuring layers", total=2))
        print("result", end="")
    drawn = terminal and term == "xterm"
    assert isinstance(watch, BarOfStage if drawn else LinesOfStages)
    assert ("\x1b[" in stderr.getvalue()) is drawn
    if drawn:
        assert stderr.getvalue().endswith("\x1b[2K") and "\x1b[?25h" in stderr.getvalue(), "wiped, the cursor is back"


def test_results_stay_apart_from_progress_while_a_bar_is_drawn(monkeypatch, capsys):
    stdout = io.StringIO()
    monkeypatch.setattr("sys.stderr", Screen())
    monkeypatch.setattr("sys.stdout", stdout)
    monkeypatch.setenv("TERM", "xterm")
    with progress_shown() as watch:
        watch(replace(JOB, stage="measuring layers", total=2))
        print("a result")
    assert stdout.getvalue() == "a result\n"


def test_a_piped_command_tells_its_stages_on_standard_error_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path / "home"))
    tiny_model("llama", 3).save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    given = ["measure", str(tmp_path / "model"), "--device", "cpu", "--samples", "4"]
    done = CliRunner().invoke(app, given, catch_exceptions=False)
    assert re.search(r"^measuring layers: 0 of [\d,]+ \w+\n(.*\n)*measuring layers: done in ", done.stderr, re.M)
    assert "measuring layers" not in done.stdout and "Linear CKA" in done.stdout


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (8.4, "8 s"), (47.0, "50 s"), (56.0, "1 min"), (130.0, "2 min"), (4000.0, "1 h 6 min")],
)
def test_estimates_are_round(seconds, words):
    assert about(seconds) == words
