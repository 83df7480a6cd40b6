"""Settings that papers use, by name, so that figures can be compared with theirs. No torch."""

from dataclasses import dataclass, replace

from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import DEMO_SKILLS, Evaluation
from prune_core.schema.inputs import HeldOut


@dataclass(frozen=True)
class TaskPreset:
    """Tasks that are reported together. `fewshot`: solved examples before each item."""

    name: str
    label: str
    tasks: tuple[str, ...]
    task_folder: str | None
    fewshot: int | None
    what: str


TASK_PRESETS = (
    TaskPreset(
        "demo-skills", "Demo skills", DEMO_SKILLS, "demo", None, "Six skills of the demo model. No network needed."
    ),
    TaskPreset(
        "zero-shot",
        "The papers' seven, 0-shot",
        ("boolq", "piqa", "hellaswag", "winogrande", "arc_easy", "arc_challenge", "openbookqa"),
        None,
        0,
        "As in LLM-Pruner, SLM and Shortened LLaMA. The items come from the Hub.",
    ),
    TaskPreset("mmlu", "MMLU, 5-shot", ("mmlu",), None, 5, "57 subjects, 14,042 questions. They come from the Hub."),
)


@dataclass(frozen=True)
class WindowPreset:
    """How held-out text is cut into windows for perplexity. `WHOLE` is more than WikiText-2 has."""

    name: str
    label: str
    context: int
    stride: int
    joined: bool
    max_tokens: int
    what: str


WHOLE = 10_000_000
WINDOW_PRESETS = (
    WindowPreset("demo", "Demo: 256, stride 128", 256, 128, False, 32768, "Each text scored by itself."),
    WindowPreset(
        "wikitext", "Papers: 2048 of one stream", 2048, 2048, True, WHOLE, "The custom for WikiText-2; no overlap."
    ),
    WindowPreset("slm", "SLM: 128 of one stream", 128, 128, True, WHOLE, "As SLM and LLM-Pruner; no overlap."),
    WindowPreset(
        "sliding",
        "transformers: 1024, stride 512",
        1024,
        512,
        True,
        WHOLE,
        "As in transformers' documentation, for GPT-2.",
    ),
)


def with_tasks(evaluation: Evaluation, name: str) -> Evaluation:
    """`evaluation` with the tasks of the preset called `name`. UserError where there is none."""
    found = _named(TASK_PRESETS, name)
    return replace(evaluation, tasks=found.tasks, task_folder=found.task_folder, fewshot=found.fewshot)


def with_windows(heldout: HeldOut, name: str) -> HeldOut:
    """The same text, cut as the preset called `name` says. UserError where there is none."""
    found = _named(WINDOW_PRESETS, name)
    return replace(
        heldout, context=found.context, stride=found.stride, joined=found.joined, max_tokens=found.max_tokens
    )


def task_preset(evaluation: Evaluation) -> TaskPreset | None:
    """The preset whose tasks and settings these are."""
    return next((preset for preset in TASK_PRESETS if with_tasks(evaluation, preset.name) == evaluation), None)


def window_preset(heldout: HeldOut) -> WindowPreset | None:
    """The preset whose windows these are."""
    return next((preset for preset in WINDOW_PRESETS if with_windows(heldout, preset.name) == heldout), None)


def _named(presets: tuple, name: str):
    found = next((preset for preset in presets if preset.name == name), None)
    if found is None:
        raise UserError(f"There is no preset '{name}': choose one of {', '.join(p.name for p in presets)}.")
    return found
