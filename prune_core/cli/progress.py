"""A job's progress on standard error: a bar on a terminal, elsewhere a plain line now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID
from rich.table import Column
from rich.text import Text

from prune_core.cli.console import visible
from prune_core.schema.job import Job
from prune_core.schema.wording import seconds_in_words

EVERY_S = 30.0
"""Where no terminal is, a line between a stage's first and its last comes at most this often, in seconds."""


@contextmanager
def progress_shown() -> Iterator[Callable[[Job], None]]:
    """What is to be called with the job as it goes on, at most ten times a second. Leaves no bar behind."""
    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    if sys.stderr.isatty() and not console.is_dumb_terminal:
        with _bar(console) as bar:
            yield BarOfStage(bar)
    else:
        yield LinesOfStages()


class BarOfStage:
    """Draws the stage that a job is in: its name, a bar, what is done of how much in which unit, the time left."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID | None = None
        self._stage = ("", 0)

    def __call__(self, job: Job) -> None:
        runs = job.state == "running" and bool(job.stage)
        if self._task is not None and (not runs or self._stage != (job.stage, job.total)):
            self._bar.remove_task(self._task)
            self._task = None
        if not runs:
            return
        share = f"{job.done:,}/{job.total:,} {job.unit}" if job.total else ""
        left = f"{about(job.eta_s)} left" if job.eta_s is not None else ""
        if self._task is None:
            self._stage = job.stage, job.total
            self._task = self._bar.add_task(job.stage, total=job.total or None, share="", left="")
        self._bar.update(self._task, completed=job.done, share=share, left=left)


class LinesOfStages:
    """Writes a line at the start of each stage, one at its end, and between them one every `EVERY_S` seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: Job | None = None
        self._begun = self._told = 0.0

    def __call__(self, job: Job) -> None:
        last, now = self._last, self._clock()
        begins = last is None or (job.stage, job.total) != (last.stage, last.total) or job.done < last.done
        if last is not None and last.stage and (begins or job.state != "running"):
            self._say(self._ending(job if not begins else last, begins or job.state == "done", now))
        if job.state != "running":
            self._last = None
            return
        if begins:
            self._begun = now
        if job.stage and (begins or now - self._told >= EVERY_S):
            self._say(in_words(job))
            self._told = now
        self._last = job

    def _ending(self, job: Job, finished: bool, now: float) -> str:
        took = seconds_in_words(now - self._begun)
        return f"{job.stage}: done in {took}" if finished else f"{in_words(job)}, stopped after {took}"

    def _say(self, line: str) -> None:
        print(visible(line), file=sys.stderr, flush=True)


def in_words(job: Job) -> str:
    """ "measuring layers: 1,024 of 8,192 tokens, about 2 min left"; of a single step, its name alone."""
    share = f": {job.done:,} of {job.total:,} {job.unit}" if job.total > 1 else ""
    return f"{job.stage}{share}" + (f", about {about(job.eta_s)} left" if job.eta_s is not None else "")


def about(seconds: float) -> str:
    """An estimate without false precision: 8 -> "8 s", 47 -> "50 s", 130 -> "2 min", 4000 -> "1 h 7 min"."""
    if seconds < 55:
        return f"{round(seconds) if seconds < 9.5 else round(seconds, -1):.0f} s"
    return f"{round(seconds / 60)} min" if seconds < 3570 else seconds_in_words(seconds)


class _Words(ProgressColumn):
    """What is written beside the bar, as it is: the name of a stage may hold what rich takes for markup."""

    def __init__(self, words: Callable[[Task], str]) -> None:
        super().__init__(Column(no_wrap=True))
        self._words = words

    def render(self, task: Task) -> Text:
        return Text(visible(self._words(task)))


def _bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        _Words(lambda task: task.description),
        BarColumn(30),
        _Words(lambda task: task.fields["share"]),
        _Words(lambda task: task.fields["left"]),
        console=console,
        transient=True,
        redirect_stdout=False,  # results stay on standard output
    )
