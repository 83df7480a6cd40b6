"""Settings that papers use, by name, so that figures can be compared with theirs. No torch."""

from dataclasses import dataclass, replace

from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import DEMO_SKILLS, Evaluation
from prune_core.schema.inputs import Calibration, HeldOut, Layout


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
    WindowPreset("demo", "Demo: 256, stride 128", 256, 128, False, 32768, "Each text is scored on its own."),
    WindowPreset(
        "wikitext", "Papers: 2048 of one stream", 2048, 2048, True, WHOLE, "Standard for WikiText-2; no overlap."
    ),
    WindowPreset("slm", "SLM: 128 of one stream", 128, 128, True, WHOLE, "As in SLM and LLM-Pruner; no overlap."),
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


@dataclass(frozen=True)
class CalibrationPreset:
    """The calibration text of a paper or its code: `samples` sequences of `seq_len` tokens of a dataset on the hub.

    `source`: arXiv id. `seed` is None where none is known. `what` says where the two differ from what is done here.
    """

    name: str
    label: str
    source: str
    dataset: str
    subset: str | None
    split: str
    column: str
    layout: Layout
    samples: int
    seq_len: int
    what: str
    seed: int | None = None
    chat: bool = False


WIKITEXT = ("Salesforce/wikitext", "wikitext-2-raw-v1", "train", "text")
BOOKCORPUS = ("rojagtap/bookcorpus", None, "train", "text")  # the original is a script, which datasets reads no more
CALIBRATION_PRESETS = (
    CalibrationPreset(
        "slm", "SLM: 10 × 128", "2502.19159", *BOOKCORPUS, "spans", 10, 128,
        "Spans of long documents of BookCorpus, seed 1234.", 1234,
    ),
    CalibrationPreset(
        "shortened-llama", "Shortened LLaMA: 10 × 128", "2402.02834", *BOOKCORPUS, "spans", 10, 128,
        "Spans of long documents of BookCorpus.",
    ),
    CalibrationPreset(
        "sleb", "SLEB: 128 × 2048", "2402.09025", *WIKITEXT, "packed", 128, 2048,
        "128 samples of WikiText-2, joined. Its released code joins 128 lines, a small part of this.",
    ),
    CalibrationPreset(
        "pruneme", "PruneMe: 4000 × 1024", "2403.17887", "arcee-ai/sec-data-mini", None, "train", "text",
        "documents", 4000, 1024, "One document a sequence. Its code takes the first 4,000, here they are drawn.",
    ),
    CalibrationPreset(
        "llm-streamline", "LLM-Streamline: 50 × 2048", "2403.19135", "DKYoon/SlimPajama-6B", None, "train", "text",
        "packed", 50, 2048, "SlimPajama, from a sample of 6 billion tokens.",
    ),
    CalibrationPreset(
        "llm-drop", "LLM-Drop: 256 × 2048", "2406.15786", "allenai/c4", "en", "validation", "text",
        "packed", 256, 2048, "C4's validation split.",
    ),
    CalibrationPreset(
        "blockpruner", "BlockPruner: 256 × 2048", "2406.10594", "tatsu-lab/alpaca", None, "train", "text",
        "documents", 256, 2048, "256 rows of Alpaca, about 100 tokens each. Its code joins them; here each is apart.",
    ),
    CalibrationPreset(
        "replaceme", "ReplaceMe: 8000 × 1024", "2505.02819", "Open-Orca/SlimOrca", None, "train", "conversations",
        "documents", 8000, 1024, "Conversations in the model's chat template. Its code takes the first 8,000.",
        chat=True,
    ),
    CalibrationPreset(
        "linearpatch", "LinearPatch: 128 × 2048", "2505.24680", *WIKITEXT, "packed", 128, 2048,
        "WikiText-2, joined by blank lines. Its pieces may overlap, these do not.", 0,
    ),
)  # fmt: skip


def with_calibration(text: Calibration, name: str) -> Calibration:
    """`text` with the shape of the preset called `name`, and with its dataset unless `text` is a source of one's own.

    The datasets of presets, and the demo's text, are nobody's own. UserError where there is no such preset.
    """
    found: CalibrationPreset = _named(CALIBRATION_PRESETS, name)
    seed = text.seed if found.seed is None else found.seed
    shaped = replace(text, layout=found.layout, samples=found.samples, seq_len=found.seq_len, seed=seed)
    if text.source not in ("", "demo", *(preset.dataset for preset in CALIBRATION_PRESETS)):
        return shaped
    place = {"source": found.dataset, "subset": found.subset, "split": found.split, "column": found.column}
    return replace(shaped, **place, joined_by="auto", chat=found.chat)


def calibration_preset(text: Calibration) -> CalibrationPreset | None:
    """The preset whose dataset and shape these are."""
    plain = Calibration(seed=text.seed)
    return next((preset for preset in CALIBRATION_PRESETS if with_calibration(plain, preset.name) == text), None)


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
