"""What the command line shows of methods, plans and runs."""

import sys

from prune_core.cli.console import print_table
from prune_core.methods import METHODS, Method, settings_of
from prune_core.pipeline.specs import PlanResult
from prune_core.schema.key_figures import in_words, key
from prune_core.schema.reports import Agreement, Metric, paired
from prune_core.schema.run import RunResult
from prune_core.schema.wording import counted, describe, metric_in_words, retained, seconds_in_words
from prune_core.store.catalogue import Entry
from prune_core.store.side_by_side import Table, marked


def show_methods() -> None:
    """Every method with its source, its settings and its presets."""
    for method in METHODS:
        print(f"{method.name}: {method.label} ({method.source}). {method.what}")
        print_table(
            [
                (
                    f"    {each.name}={'empty' if each.default is None else each.default}",
                    " or ".join(each.choices),
                    f"{each.label}. {each.help}",
                )
                for each in settings_of(method)
            ]
        )
        for label, settings in method.presets.items():
            print(f"    preset {label}: {' '.join(f'{name}={value}' for name, value in settings.items())}")


def show_plan(chosen: PlanResult, method: Method) -> None:
    """The plan, and the plans that the method took on the way."""
    taken = [step for step in chosen.steps if step.accepted]
    print_table(
        [(f"{step.score:.4f}", describe(step.plan), step.note) for step in taken], (method.score, "plan", "note"), {0}
    )
    if chosen.steps:
        print(f"{len(taken)} of {len(chosen.steps)} plans accepted, by {method.score}")
    print(f"{method.label}: {describe(chosen.plan)}")
    known, took = f"{chosen.reused} already known", seconds_in_words(chosen.seconds)
    print(f"{counted(chosen.measured, 'plan')} measured, {known}, {took}")


def show_runs(runs: list[Entry]) -> None:
    """A run a line: id, state, name with model and plan and tags, perplexity before and after, what went wrong."""
    print_table([_line(run) for run in runs])


def show_numbered(runs: list[tuple[str, Entry]]) -> None:
    """The same, each under the heading that stands for it in a table."""
    lines = [(heading, *_line(run)) for heading, run in runs]
    print_table([(f"{heading} {run_id}", *rest) for heading, run_id, *rest in lines])


def show_side_by_side(table: Table) -> None:
    """A metric a row, a run a column."""
    rows = []
    for row in table.rows:
        title = f"{_title(row.metric)} {'↑' if row.metric.higher_is_better else '↓'}"
        rows.append((title, *(marked(row, column) or "-" for column in range(len(table.headings)))))
    print_table(rows, ("metric", *table.headings), range(1, len(table.headings) + 1))
    print("± is one standard error; ★ best; ≈ within two standard errors of the best.")


def show_comparison(result: RunResult) -> None:
    """Before and after, a line per metric; what is left of each skill; what each model wrote."""
    rows = []
    for before, metric in paired(result.donor.metrics, result.pruned.metrics):
        values = metric_in_words(before) if before else "-", metric_in_words(metric)
        rows.append((_title(metric), *values, metric.note))
    notes = list(dict.fromkeys(row[-1] for row in rows if row[-1])) if sys.stdout.isatty() else []
    if notes:  # as long as several lines of a terminal, and the same for many rows
        rows = [(*row[:-1], f"[{notes.index(row[-1]) + 1}]" if row[-1] else "") for row in rows]
    print_table(rows, ("± is one standard error", "donor", "pruned", "how measured"), {1, 2})
    print_table([(f"[{number}]", note) for number, note in enumerate(notes, start=1)])
    if result.agreement is not None:
        _show_agreement(result.agreement)
    for before, after in zip(result.donor.continuations, result.pruned.continuations, strict=True):
        print(f"\n{before.prompt!r}\n  donor:  {before.text!r}\n  pruned: {after.text!r}")


def _show_agreement(agreement: Agreement) -> None:
    if agreement.retention:
        print("\nWhat is left of each skill (same items, paired: bootstrap intervals, p by McNemar's exact test)")
        print_table(
            [
                (
                    f"{row.task} {row.metric}",
                    retained(row),
                    f"{row.lost} items lost, {row.won} won of {row.items:,}",
                )
                for row in agreement.retention
            ]
        )
    print("\nAgreement with the donor (± is one standard error)")
    print_table([(_title(metric), metric_in_words(metric), metric.note) for metric in agreement.metrics])


def _title(metric: Metric) -> str:
    return f"{metric.task} {metric.name}".strip()


def _line(run: Entry) -> tuple[str, ...]:
    perplexity = run.figures.get("perplexity")
    name = f"{run.about.name}: " if run.about.name else ""
    tags = "".join(f" #{tag}" for tag in run.about.tags)
    figures = ""
    if perplexity:
        before = in_words(key("perplexity"), perplexity.donor)
        figures = f"perplexity {before} -> {in_words(key('perplexity'), perplexity.pruned, perplexity.pruned_error)}"
    return run.id, run.state, f"{name}{run.model}: {run.plan}{tags}", figures, run.reason or ""
