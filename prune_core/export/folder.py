"""A cut model as a folder of its own: safetensors, tokenizer, the recipe that repeats it, and a model card."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from transformers import GenerationConfig, PreTrainedModel

from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.paths import given_path, is_file, is_folder
from prune_core.schema.reports import Agreement, Metric, Report, paired
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.wording import describe, layers_without, metric_in_words, ranges, retained, text_size
from prune_core.store.files import whole_folder, write_text

RECIPE = "recipe.json"
CARD = "README.md"

SILENT = "their weights are zeros, so the file is no smaller and the model no faster"

SAMPLING = ("temperature", "top_p", "top_k", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
"""Generation settings that have no effect without `do_sample`; transformers refuses to save them then."""


def export(
    model: PreTrainedModel,
    tokenizer: Any,
    folder: str | Path,
    spec: RunSpec,
    result: RunResult | None = None,
    notes: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write `model` (as built, or healed since) and everything that belongs to it into the new folder `folder`.

    `notes`: extra text files, name -> content. The folder appears whole or not at all. Raises UserError if it already
    exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise UserError(f"{folder} already exists: choose a new folder, or remove that one first.")
    with whole_folder(folder) as unfinished:
        _save_model(model, unfinished)
        tokenizer.save_pretrained(unfinished)
        (unfinished / RECIPE).write_text(serial.dumps(spec), encoding="utf-8")
        for name, text in notes.items():
            (unfinished / name).write_text(text, encoding="utf-8")
        write_card(unfinished, spec, result)


def _save_model(model: PreTrainedModel, folder: Path) -> None:
    """transformers' own format, always safetensors. Sampling settings that greedy decoding ignores are left out."""
    kept = model.generation_config
    model.generation_config = _savable(kept)
    try:
        model.save_pretrained(folder)
    finally:
        model.generation_config = kept


def _savable(settings: GenerationConfig) -> GenerationConfig:
    if settings.do_sample:
        return settings
    settings = copy.deepcopy(settings)
    for name in SAMPLING:
        setattr(settings, name, None)
    return settings


# --- the model card --------------------------------------------------------------------------------------------------


def write_card(folder: str | Path, spec: RunSpec, result: RunResult | None = None) -> None:
    """Write (or write again, once there is a result) the model card of the checkpoint in `folder`, in one step."""
    write_text(Path(folder) / CARD, model_card(spec, result))


def model_card(spec: RunSpec, result: RunResult | None = None) -> str:
    """Markdown with a YAML header: what was cut, how it was chosen, before and after, how to load and repeat it."""
    base = base_name(spec.model)
    title = spec.name or f"{base}, {len(spec.plan.kept)} of {spec.plan.num_layers} layers"
    parts = [
        _header(base),
        f"# {title}",
        f"{base}, cut by LayerScope: {describe(spec.plan)}. Layers are numbered from 0.",
        _origin(spec),
        "" if result is None else _comparison(result),
        "" if result is None or result.agreement is None else _agreement(result.agreement),
        _loading(),
        GGUF,
        _repeating(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def base_name(model: ModelRef) -> str:
    """The donor's name: its hub id, or the name of its folder without the path."""
    if model.path == "demo":
        return "LayerScope demo model"
    folder = given_path(model.path)
    return folder.resolve().name if is_folder(folder) else model.path


def _header(base: str) -> str:
    tags = "\n".join(f"- {tag}" for tag in ("layerscope", "depth-pruning", "pruned"))
    name = json.dumps(base, ensure_ascii=False)  # JSON strings are YAML strings
    return f"---\nbase_model: {name}\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n{tags}\n---"


def _origin(spec: RunSpec) -> str:
    plan, revision = spec.plan, f", revision {spec.model.revision}" if spec.model.revision else ""
    parts = [("attention", layers_without(plan, "attention")), ("MLP", layers_without(plan, "mlp"))]
    rows = [
        ("Base model", f"{base_name(spec.model)}{revision}; its licence applies to this model too"),
        ("Layers removed", ranges(plan.removed) or "none"),
        ("Layers kept, in order", ranges(plan.kept)),
        *((f"Layers without {part}", f"{ranges(layers)}: {SILENT}") for part, layers in parts if layers),
        ("Chosen", plan.method),
        ("Calibration text", _calibration(spec.calibration)),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {_cell(value)} |" for name, value in rows)])


def _calibration(text: Calibration) -> str:
    if text.source == "demo":
        source = "LayerScope's own calibration text"
    elif is_file(given_path(text.source)):
        source = Path(text.source).name
    else:
        source = f"{'/'.join(filter(None, (text.source, text.subset)))} ({text.split})"
    return f"{source}: {text_size(text)}, seed {text.seed}"


def _comparison(result: RunResult) -> str:
    lines = [
        "## Before and after",
        "",
        "± is one standard error.",
        "",
        f"| | {_heading(result.donor)} | {_heading(result.pruned)} | chance | |",
        "|---|---|---|---|---|",
    ]
    for before, metric in paired(result.donor.metrics, result.pruned.metrics):
        values = metric_in_words(before) if before else "", metric_in_words(metric)
        chance = "" if metric.chance is None else metric_in_words(_chance(metric))
        cells = (f"{metric.task} {metric.name}".strip(), *values, chance, metric.note)
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(lines)


def _agreement(agreement: Agreement) -> str:
    """What is left of each skill, with intervals, and how far the model is from its donor."""
    skills = [
        "## What is left of each skill",
        "",
        "Both models answered the same items: 95% intervals by paired bootstrap, p by McNemar's exact test.",
        "",
        "| | change in accuracy | items lost | gained | of |",
        "|---|---|---|---|---|",
    ]
    for row in agreement.retention:
        cells = (f"{row.task} {row.metric}", retained(row), f"{row.lost:,}", f"{row.won:,}", f"{row.items:,}")
        skills.append("| " + " | ".join(map(_cell, cells)) + " |")
    donor = ["## Agreement with the donor", "", "| | | |", "|---|---|---|"]
    for metric in agreement.metrics:
        cells = (f"{metric.name}, {metric.task}", metric_in_words(metric), metric.note)
        donor.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join((*(skills if agreement.retention else ()), "", *donor)).strip()


def _heading(report: Report) -> str:
    return f"{report.label}, {report.num_layers} layers"


def _chance(metric: Metric) -> Metric:
    return Metric(metric.name, metric.task, metric.chance or 0.0, metric.unit, metric.higher_is_better)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _loading() -> str:
    return """## Loading

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # this folder
model = AutoModelForCausalLM.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
```"""


GGUF = """## Converting it to GGUF

With a clone of llama.cpp, for the model families and tokenizers it supports:

```
python llama.cpp/convert_hf_to_gguf.py . --outfile model.gguf --outtype auto
```"""


def _repeating(result: RunResult | None) -> str:
    text = f"""## Repeating it

With LayerScope installed, in this folder:

```
layerscope run {RECIPE}
```"""
    if result is None:
        return text
    versions = ", ".join(f"{name} {version}" for name, version in sorted(result.versions.items()))
    return f"{text}\n\nMade with {versions}."
