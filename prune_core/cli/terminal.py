"""How the command line shows results and progress."""

import sys
from math import isfinite

from prune_core.measure.correlation import agreements
from prune_core.methods import METHODS, Method, settings_of
from prune_core.pipeline.specs import PlanResult
from prune_core.schema.drop_map import DropMap, least_damage
from prune_core.schema.inputs import ModelInfo
from prune_core.schema.job import Job
from prune_core.schema.measures import LayerStats, best_blocks, block_influence, families, measure
from prune_core.schema.norms import RULE, Norms
from prune_core.schema.reports import Agreement, Metric, Preview
from prune_core.schema.run import RunResult
from prune_core.schema.skill_map import SkillMap
from prune_core.schema.skill_words import block_name, readings, skill_name
from prune_core.schema.wording import (
    bytes_in_words,
    counted,
    describe,
    massive_in_words,
    metric_in_words,
    named,
    retained,
    seconds_in_words,
)
from prune_core.search.block_sets import Candidate


class ProgressLine:
    """Draws a job's progress on one line of standard error; silent where that is no terminal."""

    def __call__(self, job: Job) -> None:
        if not sys.stderr.isatty():
            return
        share = f"{job.done:,}/{job.total:,} {job.unit}" if job.total else ""
        left = f", {seconds_in_words(job.eta_s)} left" if job.eta_s is not None else ""
        line = "" if job.state != "running" else f"{job.stage} {share}{left}"
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


def show_info(info: ModelInfo) -> None:
    """What is known of a model before loading."""
    print(f"{info.family}: {info.num_layers} layers, hidden size {info.hidden_size}, {info.parameters:,} parameters")
    print(f"weights {bytes_in_words(info.weight_bytes)} in {info.dtype} on {info.device}", end=", ")
    print(f"where {bytes_in_words(info.free_bytes)} are free; context {info.context_length:,} tokens")


def show_stats(stats: LayerStats) -> None:
    """The best block of each size by every measure, then Block Influence per layer."""
    texts = counted(stats.sequences, "text")
    print(f"{stats.num_layers} layers, {stats.tokens:,} tokens of {texts}, {seconds_in_words(stats.seconds)}")
    for what in families(stats):
        unit = f" {what.unit}" if what.unit else ""
        print(f"\n{what.label}: the most alike block of each size")
        for start, stop, value in best_blocks(what.name, stats.values[what.name]):
            spread = _spread(stats.stderrs[what.name][start, stop])
            print(f"  {stop - start:3}  {named(tuple(range(start, stop))):18} {value:.4f}{unit}{spread}")
    print("\nBlock Influence of each layer (1 - cosine; low means it changes little)")
    for layer, influence in enumerate(block_influence(stats.values["cosine"])):
        print(f"  layer {layer:3}  {influence:.4f}")
    if stats.norms is not None:
        show_norms(stats.norms, stats.tokens)


def show_norms(norms: Norms, tokens: int) -> None:
    """How many tokens are massive, where, and which the most frequent ones are."""
    print(f"\n{massive_in_words(norms, tokens)}\n{RULE} CKA leaves such tokens out of all pairs of states.")
    for each in norms.examples[:5]:
        where = f"position {each.position}, states {each.first_state} to {each.last_state}"
        print(f"  {each.text!r:16} {counted(each.count, 'time')}, {where}")


def show_preview(seen: Preview) -> None:
    """The change of loss, with its paired standard error."""
    delta = seen.loss - seen.donor_loss
    print(f"{describe(seen.plan)}, on {seen.tokens:,} calibration tokens")
    print(f"loss {seen.donor_loss:.4f} -> {seen.loss:.4f} nats/token ({delta:+.4f} ± {seen.delta_stderr:.4f})")


def show_drops(drops: DropMap, stats: LayerStats) -> None:
    """The cheapest block of each size, then how well each similarity measure would have told."""
    texts = counted(drops.sequences, "text")
    print(f"loss {drops.donor_loss:.4f} nats/token on {drops.tokens.sum():,} tokens of {texts}")
    print("\nWhat the cheapest block of each size costs (change of loss, KL from the donor; nats/token)")
    for block, cost in least_damage(drops.delta):
        cell = block.start, block.stop
        words = f"{cost:+.4f}{_spread(drops.delta_stderr[cell])}  KL {drops.divergence[cell]:.4f}"
        print(f"  {len(block):3}  {named(block.layers):18} {words}")
    print("\nDoes similarity tell what a cut costs? Rank correlation: over all blocks, within blocks of one size")
    for found in agreements(stats, drops):
        print(f"  {measure(found.measure).label:30} {found.overall:+.3f}  {found.within:+.3f}")


def show_skills(skills: SkillMap) -> None:
    """The change of each skill's accuracy without each block, then what that says."""
    print(f"Accuracy in percent, {skills.note}; what changes without each block, ± one paired standard error;")
    print("* where the change is more than 2 standard errors")
    for metric in sorted({skill.metric for skill in skills.skills}):
        only = skills.only(metric)
        print(f"\n{metric:18}" + "".join(f"{skill_name(skill):>18}" for skill in only.skills))
        print(f"{'donor':18}" + "".join(f"{100 * value:>18.1f}" for value in only.donor))
        for row, block in enumerate(only.blocks):
            marks = ["*" if clear else " " for clear in only.clear[row]]
            cells = zip(100 * only.change[row], 100 * only.change_stderr[row], marks, strict=True)
            told = [f"{change:+.1f} ± {error:.1f}{mark}" for change, error, mark in cells]
            print(f"{block_name(block.start, len(block)):18}" + "".join(f"{words:>18}" for words in told))
        print("\n" + "\n".join(readings(only)))


def show_sets(candidates: list[Candidate]) -> None:
    """Sets of blocks for a budget, with the change of loss that was predicted and the one that was measured."""
    print("\nThe best sets of blocks (change of loss in nats/token: added up, measured)")
    for candidate in candidates:
        print(f"  {named(candidate.layers):28} {candidate.predicted:+.4f}  {candidate.measured:+.4f}")


def show_methods() -> None:
    """Every method with its source, its settings and its presets."""
    for method in METHODS:
        print(f"{method.name}: {method.label} ({method.source}). {method.what}")
        for each in settings_of(method):
            default = "empty" if each.default is None else each.default
            values = f"; {' or '.join(each.choices)}" if each.choices else ""
            print(f"    {each.name}={default}{values}  {each.label}. {each.help}")
        for label, settings in method.presets.items():
            print(f"    preset {label}: {' '.join(f'{name}={value}' for name, value in settings.items())}")


def show_plan(chosen: PlanResult, method: Method) -> None:
    """The plan, and the plans that the method took on the way."""
    taken = [step for step in chosen.steps if step.accepted]
    for step in taken:
        print(f"  {step.score:.4f}  {describe(step.plan)}" + (f"  ({step.note})" if step.note else ""))
    if chosen.steps:
        print(f"{len(taken)} of {len(chosen.steps)} plans taken, by {method.score}")
    print(f"{method.label}: {describe(chosen.plan)}")
    print(
        f"{counted(chosen.measured, 'plan')} measured, {chosen.reused} known before, {seconds_in_words(chosen.seconds)}"
    )


def show_comparison(result: RunResult) -> None:
    """Before and after, a line a metric; what is left of each skill; what each model wrote."""
    print(f"{'± is one standard error':46} {'donor':>24} {'pruned':>24}")
    donor = {(m.task, m.name): m for m in result.donor.metrics}
    for metric in result.pruned.metrics:
        before = donor.get((metric.task, metric.name))
        values = f"{metric_in_words(before) if before else '-':>24} {metric_in_words(metric):>24}"
        print(f"{_title(metric):46} {values}  {metric.note}".rstrip())
    if result.agreement is not None:
        _show_agreement(result.agreement)
    for before, after in zip(result.donor.continuations, result.pruned.continuations, strict=True):
        print(f"\n{before.prompt!r}\n  donor:  {before.text!r}\n  pruned: {after.text!r}")


def _show_agreement(agreement: Agreement) -> None:
    if agreement.retention:
        print("\nWhat is left of each skill (same items, paired: bootstrap intervals, p by McNemar's exact test)")
    for row in agreement.retention:
        name = f"{row.task} {row.metric}"
        print(f"  {name:40} {retained(row)}; {row.lost} items lost, {row.won} won of {row.items:,}")
    print("\nAgreement with the donor (± is one standard error)")
    for metric in agreement.metrics:
        print(f"  {_title(metric):40} {metric_in_words(metric)}  ({metric.note})")


def _spread(error: float) -> str:
    """One standard error, left out where it is not known."""
    return f" ± {error:.4f}" if isfinite(error) else ""


def _title(metric: Metric) -> str:
    return f"{metric.task} {metric.name}".strip()
