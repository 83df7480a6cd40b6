"""Plans in words, the same on every page, in the model card and on the command line. No torch."""

import re
from pathlib import Path

from prune_core.schema.errors import UserError
from prune_core.schema.fit import in_words
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.norms import Norms
from prune_core.schema.paths import given_path, is_file, is_folder
from prune_core.schema.plan import PARTS, Block, Drop, DropPart, Edit, Merge, Part, Plan, Replace
from prune_core.schema.reports import Metric, Retention


def ranges(layers: tuple[int, ...]) -> str:
    """Layer numbers in words: (2, 5, 6) -> "2, 5 to 6"; inclusive, whatever the order given."""
    runs: list[list[int]] = []
    for layer in sorted(layers):
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs)


def layers_from_words(text: str) -> tuple[int, ...]:
    """Layer numbers from "3, 9-12" or "3, 9 to 12", inclusive. The inverse of `ranges`."""
    layers: set[int] = set()
    for piece in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"(\d+)(?:\s*(?:-|–|to)\s*(\d+))?", piece)
        if found is None:
            raise UserError(f"'{piece}' is not a layer or a range: write numbers and ranges such as 3, 9-12.")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise UserError(f"'{piece}' runs backwards: write the lower layer first, {last}-{first}.")
        layers |= set(range(first, last + 1))
    return tuple(sorted(layers))


def plan_from_words(
    num_layers: int, drop: str = "", replace: str = "", by: str = "linear", attention: str = "", mlp: str = ""
) -> Plan:
    """A plan from "3, 9-12" and the like: layers to drop, blocks to replace with the network `by`, and layers that lose
    only their attention or only their MLP."""
    dropped = layers_from_words(drop)
    blocks = [layers_from_words(piece) for piece in replace.split(",") if piece.strip()]
    edits: list[Edit] = [Drop(dropped)] if dropped else []
    edits += [Replace(Block(block[0], block[-1] + 1), by) for block in blocks]
    parts: tuple[tuple[Part, str], ...] = (("attention", attention), ("mlp", mlp))
    edits += [DropPart(part, layers) for part, text in parts if (layers := layers_from_words(text))]
    return Plan(num_layers, tuple(edits))


def capitalised(text: str) -> str:
    """`text` with its first letter capitalised, the others unchanged ("MLP" stays)."""
    return text[:1].upper() + text[1:]


def named(numbers: tuple[int, ...], noun: str = "layer") -> str:
    """ "layer 3" or "layers 2, 5 to 6"."""
    return f"{noun}{'s' if len(numbers) > 1 else ''} {ranges(numbers)}"


def counted(number: int, noun: str) -> str:
    """1, "text" -> "1 text"; 2000, "text" -> "2,000 texts"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def model_name(model: ModelRef) -> str:
    """ "demo model", the name of the model's folder without the path, or its hub id with the revision if one is set."""
    if model.path == "demo":
        return "demo model"
    folder = given_path(model.path)
    if is_folder(folder):
        return folder.resolve().name
    return f"{model.path} ({model.revision})" if model.revision else model.path


def text_name(text: Calibration, found: int | None = None, tokens: int | None = None) -> str:
    """ "demo text, 64 texts of up to 128 tokens"; with how many were `found` and their `tokens`, where that is known:
    "valid.txt, 64 of 64 pieces of 128 tokens: 8,192 tokens"."""
    source = "demo text"
    if text.source != "demo":
        from_file = is_file(given_path(text.source))
        source = Path(text.source).name if from_file else "/".join(filter(None, (text.source, text.subset)))
    return f"{source}, {text_size(text, found, tokens)}"


def text_size(text: Calibration, found: int | None = None, tokens: int | None = None) -> str:
    """ "64 pieces of 128 tokens", or "52 of 64 texts of up to 128 tokens: 2,602 tokens of the 8,192 asked for"."""
    noun = sequence_noun(text)
    size = f"{'' if text.laid_out != 'documents' else 'up to '}{text.seq_len:,} tokens"
    if found is None:
        return f"{counted(text.samples, noun)} of {size}"
    several = f"{found:,} of {counted(text.samples, noun)} of {size}"
    if tokens is None:
        return several
    asked = text.samples * text.seq_len
    return f"{several}: {counted(tokens, 'token')}" + (f" of the {asked:,} asked for" if tokens < asked else "")


def sequence_noun(text: Calibration) -> str:
    """What a sequence of this text is called: a "piece", a "span", a "conversation" or a "text"."""
    if text.laid_out == "documents":
        return "conversation" if text.chat else "text"
    return {"packed": "piece", "spans": "span"}[text.laid_out]


def too_little(text: Calibration, sequences: int, tokens: int) -> str:
    """One sentence where the text gives fewer sequences than asked for, or far fewer tokens; else nothing.

    The demo's texts are meant to be short.
    """
    noun, asked = sequence_noun(text), text.samples * text.seq_len
    remedy = "give a longer text, or ask for less"
    if text.laid_out == "documents" and not text.chat and text.source != "demo":
        remedy = "give longer texts, join them into pieces, or ask for less"
    if sequences < text.samples:
        there = f"only {counted(sequences, noun)} of the {text.samples:,} asked for"
    elif text.source != "demo" and tokens < asked / 2:
        there = f"short {noun}s"
    else:
        return ""
    return f"This text gives {there}, {counted(tokens, 'token')} of {asked:,}: {remedy}."


def describe(plan: Plan) -> str:
    """The plan in words: "drop layers 9 to 12 (4 of 16)"; "keep all 16 layers" when it is empty.

    Parts come last: "drop the attention of layers 3, 5 (2 of 16 layers keep only their MLP)".
    """
    if not plan.edits:
        return f"keep all {plan.num_layers} layers"
    dropped = tuple(layer for edit in plan.edits if isinstance(edit, Drop) for layer in edit.layers)
    whole = [f"drop {named(dropped)}"] if dropped else []
    whole += [_phrase(edit) for edit in plan.edits if isinstance(edit, (Merge, Replace))]
    phrases = [f"{', '.join(whole)} ({len(plan.removed)} of {plan.num_layers})"] if whole else []
    return ", ".join(phrases + [_part_phrase(part, plan) for part in PARTS if layers_without(plan, part)])


def layers_without(plan: Plan, part: Part) -> tuple[int, ...]:
    """The layers that stay without this part."""
    return tuple(sorted(layer for e in plan.edits if isinstance(e, DropPart) and e.part == part for layer in e.layers))


def _part_phrase(part: Part, plan: Plan) -> str:
    layers = layers_without(plan, part)
    keep = "keep only their" if len(layers) > 1 else "keeps only its"
    gone, left = ("attention", "MLP") if part == "attention" else ("MLP", "attention")
    return f"drop the {gone} of {named(layers)} ({len(layers)} of {plan.num_layers} layers {keep} {left})"


def _phrase(edit: Merge | Replace) -> str:
    if isinstance(edit, Merge):
        return f"merge {named(edit.layers)} into layer {edit.into} by {edit.rule}"
    return f"replace {named(edit.block.layers)} with {in_words(edit.by)}"


def metric_in_words(metric: Metric) -> str:
    """A metric's value for reading: percent for accuracies, thousands marked, three or four figures otherwise."""
    if metric.unit == "bytes":
        return bytes_in_words(metric.value)
    if metric.unit == "fraction":
        return f"{100 * metric.value:.1f}%" + (f" ± {100 * metric.stderr:.1f}" if metric.stderr else "")
    size = abs(metric.value)
    whole = size == int(size) and not metric.stderr
    digits = 0 if size >= 1000 or whole else 1 if size >= 100 else 3 if size >= 0.1 else 5
    error = f" ± {metric.stderr:,.{digits}f}" if metric.stderr else ""
    return f"{metric.value:,.{digits}f}{error}" + (f" {metric.unit}" if metric.unit else "")


def bytes_in_words(count: float) -> str:
    """1234567 -> "1.2 MB" (decimal units, as for disks and downloads)."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} bytes" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def seconds_in_words(seconds: float) -> str:
    """0.031 -> "0.03 s", 8.2 -> "8 s", 95 -> "1 min 35 s", 4000 -> "1 h 7 min"."""
    if 0 < seconds < 1:
        return f"{max(seconds, 0.001):.1g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def retained(skill: Retention) -> str:
    """What happened to a skill: "-7.0 points, 95% interval -9.1 to -5.0, p < 0.001", or that no loss was measured.

    If the donor is at chance: that the change is uninformative.
    """
    low, high = f"{100 * skill.low:+.1f}", f"{100 * skill.high:+.1f}"
    if skill.verdict == "at chance":
        return f"uninformative, donor at chance: {100 * skill.donor:.1f}%, guessing {100 * (skill.chance or 0):.1f}%"
    if skill.verdict == "kept":
        return f"no loss measured: within {low} to {high} points"
    p = "" if skill.p_value is None else ", p < 0.001" if skill.p_value < 0.001 else f", p = {skill.p_value:.3f}"
    unclear = "unclear, " if skill.verdict == "unclear" else ""
    return f"{unclear}{100 * skill.change:+.1f} points, 95% interval {low} to {high}{p}"


def massive_in_words(norms: Norms, tokens: int) -> str:
    """What was found of massive tokens among `tokens`: "31 of 1,536 tokens are massive in one state or more, states 3
    to 24. 24 of them stand at position 0, 7 at position 1."""
    if not norms.excluded:
        return f"None of the {tokens:,} tokens is massive in any state."
    verb = "is" if norms.excluded == 1 else "are"
    first = f"{norms.excluded:,} of {tokens:,} tokens {verb} massive: in {named(norms.states, 'state')}."
    places = [f"{count:,} at position {position:,}" for position, count in norms.positions[:3].tolist()]
    more = norms.excluded - int(norms.positions[:3, 1].sum())
    return f"{first} {', '.join(places)}{f', {more:,} elsewhere' if more else ''} (positions from 0)."
