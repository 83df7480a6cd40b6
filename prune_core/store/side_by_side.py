"""Several runs beside each other, a row a metric; and runs as CSV. A row holds only figures measured in one way."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

from prune_core.schema.errors import UserError
from prune_core.schema.key_figures import KEYS
from prune_core.schema.reports import Metric
from prune_core.schema.run import RunResult
from prune_core.schema.wording import counted, metric_in_words
from prune_core.store.catalogue import Entry

FEWEST, MOST = 2, 8
"""Runs compared at once; more columns than that are not read."""

TIMED = ("tokens/s", "ms", "s")
"""Units of timings, which differ from run to run."""

Named = tuple[str, RunResult]
"""What a run is called, and its result."""


@dataclass(frozen=True)
class Row:
    """A metric (of the first column that has it) and its value in each column, None where that has none.

    `best`: the runs with the best value, if there is more than one to choose from; `level`: those no further from it
    than two standard errors of the difference. Donors take no part, and timings without an error have no best.
    """

    metric: Metric
    cells: tuple[Metric | None, ...]
    best: frozenset[int]
    level: frozenset[int]


@dataclass(frozen=True)
class Table:
    """Columns by heading, the first `donors` of them donors, and the rows."""

    headings: tuple[str, ...]
    donors: int
    rows: tuple[Row, ...]


def beside(runs: Sequence[Named]) -> Table:
    """The runs as columns, after their donors: one donor's column where its figures are the same."""
    donors: dict[tuple[Metric, ...], str] = {}
    for name, result in runs:
        shared = result.donor.metrics if len(runs) == 1 else _lasting(result.donor.metrics)
        if shared not in donors:
            donors[shared] = "donor" if not donors else f"donor of {name}"
    columns = [*donors, *(_pruned(result) for _, result in runs)]
    kinds = {metric.kind: metric for column in columns for metric in reversed(column)}
    ordered = dict.fromkeys(metric.kind for column in columns[len(donors) :] + columns for metric in column)
    rows = [_row([_find(column, kind) for column in columns], kinds[kind], len(donors)) for kind in ordered]
    return Table((*donors.values(), *(name for name, _ in runs)), len(donors), tuple(rows))


def check_count(count: int) -> None:
    """Raise UserError where so many runs cannot be compared."""
    if not FEWEST <= count <= MOST:
        raise UserError(f"{counted(count, 'run')} selected for comparison: select {FEWEST} to {MOST}.")


def marked(row: Row, column: int) -> str:
    """A cell in words, with ★ for the best and ≈ for what is level with it; empty where there is none."""
    cell = row.cells[column]
    sign = " ★" if column in row.best else " ≈" if column in row.level else ""
    return "" if cell is None else metric_in_words(cell) + sign


def table_csv(runs: Sequence[Entry]) -> str:
    """The runs as CSV text, one a row: units in the header, one standard error beside every figure.

    Fractions are fractions and sizes are bytes, as measured, for whoever calculates with them.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["id", "name", "tags", "notes", "made", "state", "model", "plan", "method", "layers removed", "layers"]
    for key in KEYS:
        unit = f" ({key.unit})" if key.unit else ""
        for side in key.sides:
            head += [f"{key.label}, {side}{unit}", f"{key.label}, {side}, standard error{unit}"]
        head.append(f"{key.label}, measured on")
    writer.writerow(head)
    for run in runs:
        about = run.about
        row: list[Any] = [run.id, about.name, ", ".join(about.tags), about.notes, run.made, run.state, run.model]
        row += [run.plan, run.method, run.removed, run.layers]
        for key in KEYS:
            found = run.figures.get(key.name)
            row += [getattr(found, f"{side}{part}", None) for side in key.sides for part in ("", "_error")]
            row.append(found.on if found else "")
        writer.writerow(row)
    return out.getvalue()


def comparison_csv(table: Table) -> str:
    """A comparison as CSV text: a row a metric, value and standard error a column."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    pairs = [text for heading in table.headings for text in (heading, f"{heading}, standard error")]
    writer.writerow(["metric", "on", "unit", "better", *pairs, "how measured"])
    for row in table.rows:
        cells = [value for cell in row.cells for value in ((cell.value, cell.stderr) if cell else (None, None))]
        m = row.metric
        writer.writerow([m.name, m.task, m.unit, "higher" if m.higher_is_better else "lower", *cells, m.note])
    return out.getvalue()


def _pruned(result: RunResult) -> tuple[Metric, ...]:
    """All figures of the pruned model, those held against its donor among them."""
    return result.pruned.metrics + (result.agreement.metrics if result.agreement else ())


def _lasting(metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """A donor's figures but for its timings, which differ from run to run."""
    return tuple(metric for metric in metrics if metric.unit not in TIMED)


def _find(column: Sequence[Metric], kind: tuple[str, str, str, str]) -> Metric | None:
    return next((metric for metric in column if metric.kind == kind), None)


def _row(cells: list[Metric | None], metric: Metric, donors: int) -> Row:
    there = {i: cell for i, cell in enumerate(cells) if cell is not None and i >= donors}
    values = {cell.value for cell in there.values()}
    unknown = metric.unit in (*TIMED, "x") and any(cell.stderr is None for cell in there.values())
    if len(there) < 2 or len(values) < 2 or unknown:
        return Row(metric, tuple(cells), frozenset(), frozenset())
    top = max(values) if metric.higher_is_better else min(values)
    best = frozenset(i for i, cell in there.items() if cell.value == top)
    champion = there[min(best)]
    level = frozenset(i for i, cell in there.items() if i not in best and _is_level(cell, champion))
    return Row(metric, tuple(cells), best, level)


def _is_level(cell: Metric, best: Metric) -> bool:
    """Whether the two cannot be told apart; figures without an error always can."""
    return abs(cell.value - best.value) <= 2 * hypot(cell.stderr or 0.0, best.stderr or 0.0)
