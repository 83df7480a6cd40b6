"""Runs beside each other: what shares a row, what is best, and the same as CSV."""

from dataclasses import replace

from prune_core.schema.reports import Metric
from prune_core.store import catalogue
from prune_core.store.side_by_side import beside, comparison_csv, marked, table_csv
from tests.fixtures.stored import keep_run, result


def worse(by: float):
    metrics = tuple(replace(m, value=m.value + by) if m.name == "perplexity" else m for m in result().pruned.metrics)
    return replace(result(), pruned=replace(result().pruned, metrics=metrics))


def test_the_best_is_marked_and_what_is_level_with_it():
    table = beside([("a", result()), ("b", worse(0.05)), ("c", worse(1.0))])
    assert table.headings == ("donor", "a", "b", "c") and table.donors == 1
    row = next(row for row in table.rows if row.metric.name == "perplexity")
    assert (row.best, row.level) == ({1}, {2})  # 0.05 is within 2 * sqrt(2) * 0.04, 1.0 is not
    words = ["2.500 ± 0.030", "3.010 ± 0.040 ★", "3.060 ± 0.040 ≈", "4.010 ± 0.040"]
    assert [marked(row, i) for i in range(4)] == words
    same = next(row for row in table.rows if row.metric.name == "parameters")
    assert not same.best and not same.level


def test_a_speed_of_one_round_is_no_best():
    def timed(speed: float, error: float | None):
        metrics = tuple(
            replace(m, value=speed, stderr=error) if m.name == "decode" else m for m in result().pruned.metrics
        )
        return replace(result(), pruned=replace(result().pruned, metrics=metrics))

    def decode(error: float | None):
        table = beside([("a", timed(100, error)), ("b", timed(150, error))])
        return next(row for row in table.rows if row.metric.name == "decode")

    assert decode(2.0).best == {2}
    assert not decode(None).best and not decode(None).level


def test_figures_that_were_measured_otherwise_have_a_row_of_their_own():
    metrics = tuple(replace(m, note="context 64") if m.name == "perplexity" else m for m in result().pruned.metrics)
    other = replace(result(), pruned=replace(result().pruned, metrics=metrics))
    rows = [row for row in beside([("a", result()), ("b", other)]).rows if row.metric.name == "perplexity"]
    assert [[cell is not None for cell in row.cells] for row in rows] == [[True, True, False], [False, False, True]]
    assert not any(row.best for row in rows)


def test_outcomes_told_in_a_note_do_not_part_a_row():
    def noted(note: str):
        speed_up = Metric("decode speed-up", "batch 1", 1.5, "x", True, 0.1, note=note)
        return replace(result(), pruned=replace(result().pruned, metrics=(speed_up,)))

    def rows(*notes: str) -> int:
        table = beside([(note, noted(note)) for note in notes])
        return sum(row.metric.name == "decode speed-up" for row in table.rows)

    assert rows("7 rounds, from 1.41 to 1.52", "7 rounds, from 0.9 to 2.0") == 1
    assert rows("7 rounds, from 1.41 to 1.52", "9 rounds, from 1.41 to 1.52") == 2
    assert rows("lm-eval 0.4.13", "lm-eval 0.4.12") == 2


def test_csv_has_units_and_errors(store):
    keep_run(store, 1)
    head, line = (row for row in table_csv(catalogue.entries(store)).splitlines())
    assert "decode speed, pruned (tokens/s)" in head and '"perplexity, donor, standard error"' in head
    assert "KL from the donor, donor" not in head and "0.25" in line
    lines = comparison_csv(beside([("a", result()), ("b", worse(1))])).splitlines()
    assert lines[0].startswith("metric,on,unit,better,donor,") and len(lines) > 5
