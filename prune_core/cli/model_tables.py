"""What the command line shows of a model: its size, its maps, and what cuts cost."""

from math import isfinite

from prune_core.cli.console import print_table
from prune_core.measure.correlation import correlations
from prune_core.schema.drawn import Drawn
from prune_core.schema.drop_map import DropMap, least_damage
from prune_core.schema.inputs import Calibration, ModelInfo
from prune_core.schema.measures import LayerStats, best_blocks, block_influence, families, measure
from prune_core.schema.norms import RULE, Norms
from prune_core.schema.reports import Preview
from prune_core.schema.skill_map import SkillMap
from prune_core.schema.skill_words import block_name, readings, skill_name
from prune_core.schema.wording import (
    bytes_in_words,
    counted,
    describe,
    massive_in_words,
    named,
    seconds_in_words,
    sequence_noun,
    text_name,
)
from prune_core.search.block_sets import Candidate


def show_info(info: ModelInfo) -> None:
    """What is known of a model before loading."""
    print(f"{info.family}: {info.num_layers} layers, hidden size {info.hidden_size}, {info.parameters:,} parameters")
    print(f"weights {bytes_in_words(info.weight_bytes)} in {info.dtype} on {info.device}", end=", ")
    print(f"with {bytes_in_words(info.free_bytes)} free; context {info.context_length:,} tokens")


def show_stats(stats: LayerStats, text: Calibration, drawn: Drawn) -> None:
    """What was measured on; the best block of each size by every measure, then Block Influence per layer."""
    size = text_name(text, stats.sequences, stats.tokens)
    print(f"{stats.num_layers} layers, {seconds_in_words(stats.seconds)}; {size}")
    print(f"Drawn from {drawn.origin}. {drawn.marks}")
    for what in families(stats):
        unit = f" {what.unit}" if what.unit else ""
        rows = []
        for start, stop, value in best_blocks(what.name, stats.values[what.name]):
            spread = _spread(stats.stderrs[what.name][start, stop])
            rows.append((str(stop - start), named(tuple(range(start, stop))), f"{value:.4f}{unit}{spread}"))
        print(f"\n{what.label}: the most similar block of each size")
        print_table(rows, ("layers", "block", "value ± one standard error"), {0})
    print("\nBlock Influence of each layer (1 - cosine; low means it changes little)")
    influences = block_influence(stats.values["cosine"])
    print_table([(f"layer {layer}", f"{influence:.4f}") for layer, influence in enumerate(influences)])
    if stats.norms is not None:
        show_norms(stats.norms, stats.tokens)


def show_norms(norms: Norms, tokens: int) -> None:
    """How many tokens are massive, where, and which are the most frequent ones."""
    print(f"\n{massive_in_words(norms, tokens)}\n{RULE} CKA leaves such tokens out of all pairs of states.")
    rows = [
        (
            repr(each.text),
            counted(each.count, "time"),
            f"position {each.position}",
            f"{each.first_state} to {each.last_state}",
        )
        for each in norms.examples[:5]
    ]
    if rows:
        print_table(rows, ("token", "found", "where", "states"))


def show_preview(seen: Preview) -> None:
    """The change of loss, with its paired standard error."""
    delta = seen.loss - seen.donor_loss
    print(f"{describe(seen.plan)}, on {seen.tokens:,} calibration tokens")
    print(f"loss {seen.donor_loss:.4f} -> {seen.loss:.4f} nats/token ({delta:+.4f} ± {seen.delta_stderr:.4f})")


def show_drops(drops: DropMap, stats: LayerStats, text: Calibration) -> None:
    """The cheapest block of each size, then how well each similarity measure would have told."""
    texts = counted(drops.sequences, sequence_noun(text))
    print(f"loss {drops.donor_loss:.4f} nats/token on {drops.tokens.sum():,} tokens of {texts}")
    print("\nCost of the cheapest block of each size (change in loss ± one standard error, KL from the donor)")
    rows = []
    for block, cost in least_damage(drops.delta):
        cell = block.start, block.stop
        change = f"{cost:+.4f}{_spread(drops.delta_stderr[cell])}"
        rows.append((str(len(block)), named(block.layers), change, f"{drops.divergence[cell]:.4f}"))
    print_table(rows, ("layers", "block", "change, nats/token", "KL, nats/token"), {0, 2, 3})
    print("\nDoes similarity predict what a cut costs? Rank correlation")
    found = [(measure(a.measure).label, f"{a.overall:+.3f}", f"{a.within:+.3f}") for a in correlations(stats, drops)]
    print_table(found, ("measure", "over all blocks", "within blocks of one size"), {1, 2})


def show_skills(skills: SkillMap) -> None:
    """The change of each skill's accuracy without each block, then what that says."""
    print(f"Accuracy in percent, {skills.note}; what changes without each block, ± one paired standard error;")
    print("* where the change is more than 2 standard errors")
    for metric in sorted({skill.metric for skill in skills.skills}):
        only = skills.only(metric)
        rows = [("donor", *(f"{100 * value:.1f}" for value in only.donor))]
        for row, block in enumerate(only.blocks):
            marks = ["*" if clear else "" for clear in only.clear[row]]
            cells = zip(100 * only.change[row], 100 * only.change_stderr[row], marks, strict=True)
            told = [f"{mark}{change:+.1f} ± {error:.1f}" for change, error, mark in cells]
            rows.append((block_name(block.start, len(block)), *told))
        print()
        print_table(rows, (metric, *map(skill_name, only.skills)), range(1, len(only.skills) + 1))
        print("\n" + "\n".join(readings(only)))


def show_sets(candidates: list[Candidate]) -> None:
    """Sets of blocks for a budget, with the change of loss that was predicted and the one that was measured."""
    print("\nThe best sets of blocks (change of loss in nats/token)")
    rows = [(named(each.layers), f"{each.predicted:+.4f}", f"{each.measured:+.4f}") for each in candidates]
    print_table(rows, ("set", "added up", "measured"), {1, 2})


def _spread(error: float) -> str:
    """One standard error, left out where it is not known."""
    return f" ± {error:.4f}" if isfinite(error) else ""
