"""A run, or several side by side, as one HTML file: figures, tables with errors, how it was made, how to repeat it."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

from pages._ui.figures import before_after, layer_strip
from pages._ui.figures.method_strips import strips
from pages._ui.figures.runs_beside import beside as beside_figure
from pages._ui.runs import report_html as html
from prune_core import __version__
from prune_core.schema.reports import Retention
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.serial import dumps
from prune_core.schema.wording import capitalised, describe, seconds_in_words
from prune_core.store.catalogue import Entry
from prune_core.store.side_by_side import Table, beside, marked

Reported = tuple[Entry, RunSpec, RunResult]
Sections = list[html.Section | html.Draw]

MARKS = "± is one standard error. ★ is the best of its row; ≈ is within two standard errors of the best."


def run_report(run: Reported) -> str:
    """The report of one run, as the text of an HTML file."""
    entry, spec, result = run
    title = entry.about.name or capitalised(describe(spec.plan))
    sections: Sections = [*_head(title, [entry])]
    sections += [html.Paragraph(f"{spec.model.path}: {describe(spec.plan)}. Layers are numbered from 0.")]
    if entry.about.notes:
        sections.append(html.Paragraph(entry.about.notes))
    sections += [html.Heading("What was cut"), partial(layer_strip, spec.plan.num_layers, spec.plan)]
    sections += [html.Heading("Before and after"), partial(before_after, result.donor, result.pruned)]
    sections += [_table(beside([("pruned", result)])), html.Paragraph("± is one standard error.", muted=True)]
    if result.agreement and result.agreement.retention:
        sections += [html.Heading("What is left of each skill"), _retention(result.agreement.retention)]
    if result.pruned.continuations:
        sections += [html.Heading("What they write"), *_texts(result)]
    return html.page(title, [*sections, *_how(run)])


def comparison_report(runs: Sequence[Reported]) -> str:
    """The report of 2 to 8 runs side by side, as the text of an HTML file."""
    names = names_of([entry for entry, _, _ in runs])
    results = [(name, result) for name, (_, _, result) in zip(names, runs, strict=True)]
    title = f"{len(runs)} runs side by side"
    sections: Sections = [*_head(title, [entry for entry, _, _ in runs])]
    sections += [html.Heading("What was cut"), *cut_figures(names, [spec for _, spec, _ in runs])]
    sections += [html.Heading("Figures"), partial(beside_figure, dict(results)), _table(beside(results))]
    sections.append(html.Paragraph(f"{MARKS} Only figures measured in the same way share a row.", muted=True))
    for name, run in zip(names, runs, strict=True):
        sections += [html.Heading(name), html.Paragraph(f"{run[1].model.path}: {describe(run[1].plan)}"), *_how(run, 3)]
    return html.page(title, sections)


def names_of(runs: Sequence[Entry]) -> list[str]:
    """What each is called; the end of its id is added where two share a name."""
    titles = [run.title for run in runs]
    return [f"{run.title} ({run.id[-4:]})" if titles.count(run.title) > 1 else run.title for run in runs]


def cut_figures(names: Sequence[str], specs: Sequence[RunSpec]) -> list[html.Draw]:
    """The plans under each other: one picture for each depth of donor."""
    depths = dict.fromkeys(spec.plan.num_layers for spec in specs)
    together = [
        {name: spec.plan for name, spec in zip(names, specs, strict=True) if spec.plan.num_layers == depth}
        for depth in depths
    ]
    return [partial(strips, plans) for plans in together]


def _head(title: str, runs: Sequence[Entry]) -> Sections:
    made = ", ".join(f"{run.id} ({run.made})" for run in runs)
    tags = sorted({tag for run in runs for tag in run.about.tags})
    words = f"LayerScope {__version__}. {made}." + (f" Tags: {', '.join(tags)}." if tags else "")
    return [html.Heading(title, 1), html.Paragraph(words, muted=True)]


def _table(table: Table) -> html.Table:
    """A row a metric with its unit, chance level and how it was measured; the best of several runs stands out."""
    rows = []
    for row in table.rows:
        m = row.metric
        chance = f"{100 * m.chance:.0f}%" if m.chance is not None else ""
        cells = [marked(row, column) for column in range(len(table.headings))]
        better = "higher" if m.higher_is_better else "lower"
        rows.append([m.task, m.name, *cells, better, chance, f"{m.samples:,}" if m.samples else "", m.note])
    best = frozenset((i, 2 + column) for i, row in enumerate(table.rows) for column in row.best)
    tail = ("Better", "Chance", "Items", "How measured")
    return html.Table(("On", "Metric", *table.headings, *tail), rows, best)


def _retention(found: Sequence[Retention]) -> html.Table:
    head = (
        "Task",
        "Metric",
        "Items",
        "Donor",
        "Pruned",
        "Change, 95% interval (points)",
        "Lost / won items",
        "McNemar p",
    )
    rows = [
        (
            each.task,
            each.metric,
            f"{each.items:,}",
            f"{100 * each.donor:.1f}%",
            f"{100 * each.pruned:.1f}%",
            f"{100 * each.change:+.1f} ({100 * each.low:+.1f} to {100 * each.high:+.1f}): {_verdict(each)}",
            f"{each.lost:,} / {each.won:,}",
            "" if each.p_value is None else f"{each.p_value:.2g}",
        )
        for each in found
    ]
    return html.Table(head, rows)


def _verdict(skill: Retention) -> str:
    return "says nothing, donor at chance" if skill.at_chance else skill.verdict


def _texts(result: RunResult) -> Sections:
    parts: Sections = [
        html.Paragraph("The prompt, then what the donor (left) and the pruned model (right) go on with.", muted=True)
    ]
    for before, after in zip(result.donor.continuations, result.pruned.continuations, strict=True):
        parts += [html.Paragraph(before.prompt), html.Pair(before.text, after.text)]
    return parts


def _how(run: Reported, level: int = 2) -> Sections:
    """Every setting with its value, the versions, and the recipe that repeats the run."""
    entry, spec, result = run
    rows = [
        *(("model", *pair) for pair in settings(spec.model)),
        *(("calibration text", *pair) for pair in settings(spec.calibration)),
        ("plan", "chosen", spec.plan.method),
        *(("evaluation", *pair) for pair in settings(spec.evaluation)),
        *(("versions", name, version) for name, version in result.versions.items()),
        ("", "time taken", seconds_in_words(result.seconds)),
    ]
    repeat = f"Save this as recipe.json, then: layerscope run recipe.json  (run {entry.id})"
    return [
        html.Heading("How it was made", level),
        html.Folded("All settings and versions", html.Table(("", "Setting", "Value"), rows)),
        html.Heading("How to repeat it", level),
        html.Paragraph(repeat),
        html.Folded("The recipe", html.Code(dumps(spec))),
    ]


def settings(value: Any, before: str = "") -> list[tuple[str, str]]:
    """(name, value) of every field of a dataclass, those of dataclasses inside as "outer.inner"."""
    found: list[tuple[str, str]] = []
    for each in fields(value):
        inner, name = getattr(value, each.name), f"{before}{each.name}"
        if is_dataclass(inner):
            found += settings(inner, f"{name}.")
        else:
            found.append((name, "; ".join(map(str, inner)) if isinstance(inner, tuple) else str(inner)))
    return found
