"""How results are printed: every figure of both models, and progress on a terminal alone."""

import io
import sys

import pytest

from prune_core.cli import terminal
from prune_core.schema.job import Job
from prune_core.schema.wording import metric_in_words
from tests.fixtures.stored import result


def test_a_comparison_has_a_line_for_each_figure_of_the_pruned_model(capsys) -> None:
    whole = result()
    terminal.show_comparison(whole)
    lines = capsys.readouterr().out.splitlines()
    donors = {(m.name, m.task): m for m in whole.donor.metrics}
    for metric in whole.pruned.metrics:
        (line,) = [each for each in lines if each.startswith(f"{metric.task} {metric.name} ".lstrip())]
        before = metric_in_words(donors[metric.name, metric.task])
        assert line.index(before) < line.rindex(metric_in_words(metric)) and line.endswith(metric.note)
    told = "\n".join(lines)
    assert "30 items lost, 6 won of 240" in told and "KL from donor" in told
    assert "donor:  ' upon'" in told and "pruned: ' more'" in told


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_one_line_and_only_on_a_terminal(monkeypatch, is_terminal) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return is_terminal

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    line = terminal.ProgressLine()
    line(Job("run-a", "run", "running", "measuring", 1200, 3000, "texts", 95.0))
    line(Job("run-a", "run", "done"))
    shown = "\r\033[Kmeasuring 1,200/3,000 texts, 1 min 35 s left\r\033[K"
    assert screen.getvalue() == (shown if is_terminal else "")
