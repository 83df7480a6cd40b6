"""What is measured before and after a cut. No torch."""

from dataclasses import dataclass, field

from prune_core.schema.inputs import HeldOut


@dataclass(frozen=True)
class SpeedSettings:
    """How speed is measured: `repeats` timed rounds after `warmup`, donor and pruned in turn so that drift cancels."""

    batch: int = 1
    prompt_tokens: int = 128
    new_tokens: int = 32
    warmup: int = 2
    repeats: int = 7


DEMO_SKILLS = ("demo_skills",)
DEMO_PROMPTS = ("It is a sunny morning in Oakford.", "Mira meets", "Dirk has 8 buttons. Dirk gives 3 to Emil.")


@dataclass(frozen=True)
class Evaluation:
    """What is measured before and after. `tasks`: lm-eval names, or .jsonl files of items (query, choices, gold).

    `task_folder`: where more YAML tasks and .jsonl files are ("demo" is ours). `task_limit`: use only this many items
    of each task, from the first. `fewshot`: solved examples before each item; None is each task's default. Prompts are
    continued at `temperature` (0: greedy) with `text_seed`, the same draws for both models.
    """

    heldout: HeldOut = field(default_factory=HeldOut)
    tasks: tuple[str, ...] = DEMO_SKILLS
    task_folder: str | None = "demo"
    task_limit: int | None = None
    speed: SpeedSettings = field(default_factory=SpeedSettings)
    prompts: tuple[str, ...] = DEMO_PROMPTS
    new_tokens: int = 60
    temperature: float = 0.8
    text_seed: int = 0
    fewshot: int | None = None
