"""What is asked of the worker, one spec a kind of job, and what it answers. A spec as JSON is a recipe. No torch."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from prune_core.damage import DropMap
from prune_core.methods import AnyMethod, Step
from prune_core.reports import Agreement, Report
from prune_core.skills import SkillMap
from prune_core.texts import Texts
from prune_core.types import Calibration, HeldOut, LayerStats, ModelInfo, ModelRef, Plan, Preview


@dataclass(frozen=True)
class InspectSpec:
    """Read a model's metadata: its size and whether it fits, without loading weights."""

    model: ModelRef
    kind: Literal["inspect"] = "inspect"


@dataclass(frozen=True)
class MeasureSpec:
    """Load the model and measure all similarities on the calibration text in one pass.

    `cka_tokens`: tokens a minibatch of CKA. 256 cost about half of 512 and give twice the minibatches to take the
    standard error over; the two differ by 0.01 to 0.02 where neighbouring tokens are alike.
    `extras`: names in measures.EXTRA_MEASURES, which cost more than the rest together.
    """

    model: ModelRef
    calibration: Calibration
    cka_tokens: int = 256
    extras: tuple[str, ...] = ()
    kind: Literal["measure"] = "measure"


@dataclass(frozen=True)
class PreviewSpec:
    """The loss of a plan by hooks on the loaded model, on the calibration text."""

    model: ModelRef
    calibration: Calibration
    plan: Plan
    kind: Literal["preview"] = "preview"


@dataclass(frozen=True)
class DropMapSpec:
    """The loss, and KL to the donor, of dropping every contiguous block, on the calibration text."""

    model: ModelRef
    calibration: Calibration
    kind: Literal["dropmap"] = "dropmap"


@dataclass(frozen=True)
class PlanSpec:
    """Have a method choose the layers to cut, `budget` of them (None where its threshold decides).

    Methods that search take as many texts as they say; the others go by the calibration text as it is.
    """

    model: ModelRef
    calibration: Calibration
    method: AnyMethod
    budget: int | None = None
    kind: Literal["plan"] = "plan"


@dataclass(frozen=True)
class ReplaceSpec:
    """Fit the networks of the plan's Replace edits on the calibration text, and preview the plan with them.

    The weights are kept, so that previews and runs of plans with the same replacements do not fit them again.
    """

    model: ModelRef
    calibration: Calibration
    plan: Plan
    kind: Literal["replace"] = "replace"


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

    `task_folder`: where further YAML tasks and .jsonl files are ("demo" is ours). `task_limit`: the first so many items
    of each task. `fewshot`: solved examples before each item; None leaves each task its own number. Prompts are
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


@dataclass(frozen=True)
class RunSpec:
    """Build the planned checkpoint and measure donor and pruned model. With its plan inside, it is the recipe."""

    model: ModelRef
    calibration: Calibration
    plan: Plan
    evaluation: Evaluation
    name: str = ""
    kind: Literal["run"] = "run"


@dataclass(frozen=True)
class PushSpec:
    """Push the checkpoint of run `run_id` to the new hub repository `repository` ("owner/name")."""

    run_id: str
    repository: str
    private: bool = True
    kind: Literal["push"] = "push"


@dataclass(frozen=True)
class SkillMapSpec:
    """The accuracy on multiple-choice tasks without every block of `size` layers (1: every layer by itself).

    `tasks`, `task_folder`, `limit` and `fewshot` are as in `Evaluation`; 100 items a task tell a change of about 10
    points from chance.
    """

    model: ModelRef
    tasks: tuple[str, ...] = DEMO_SKILLS
    task_folder: str | None = "demo"
    limit: int | None = 100
    fewshot: int | None = None
    size: int = 1
    kind: Literal["skillmap"] = "skillmap"


@dataclass(frozen=True)
class TextSpec:
    """What donor and pruned model write after each prompt, with the same draws, and where the pruned one departs.

    The pruned model is the checkpoint of run `run_id`, or `plan` by hooks on the loaded model where that is None.
    """

    model: ModelRef
    calibration: Calibration
    plan: Plan
    prompts: tuple[str, ...]
    run_id: str | None = None
    new_tokens: int = 60
    temperature: float = 0.8
    seed: int = 0
    kind: Literal["text"] = "text"


Spec = (
    InspectSpec
    | MeasureSpec
    | PreviewSpec
    | DropMapSpec
    | SkillMapSpec
    | PlanSpec
    | ReplaceSpec
    | TextSpec
    | RunSpec
    | PushSpec
)


@dataclass(frozen=True)
class RunResult:
    """Before and after, where the checkpoint lies (relative to the run's folder), and with what it was made.

    `agreement` is None in results of older versions. `build_seconds` is None where an earlier attempt built it.
    """

    donor: Report
    pruned: Report
    checkpoint: str
    versions: dict[str, str]
    seconds: float
    agreement: Agreement | None = None
    build_seconds: float | None = None


@dataclass(frozen=True)
class PlanResult:
    """The plan, and what the method looked at on the way, in order. `measured` plans were run, `reused` ones known."""

    plan: Plan
    steps: tuple[Step, ...]
    measured: int
    reused: int
    seconds: float


@dataclass(frozen=True)
class ReplaceResult:
    """How fitting went. `preview` is None while it goes on.

    `curves`: by the block's "start-stop", float64 [points, 3]. Of a trained network: step, loss since the last point
    (NaN at step 0), loss on held-back text; 1 is the error of dropping the block, where no next-token loss is mixed in.
    Of a linear map whose ridge was chosen: ridge (infinity is the plain cut), NaN, next-token loss on held-back text.
    """

    plan: Plan
    curves: dict[str, np.ndarray]
    preview: Preview | None
    seconds: float


@dataclass(frozen=True)
class PushResult:
    """Where the pushed model is now."""

    address: str


Result = (
    PushResult | ModelInfo | LayerStats | Preview | DropMap | SkillMap | PlanResult | ReplaceResult | Texts | RunResult
)

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
"""How a job stands; "interrupted": its process died. What failed, was cancelled or interrupted goes on where it was."""


@dataclass(frozen=True)
class Job:
    """How a job stands. `eta_s` is the estimated seconds left in this stage, None while unknown."""

    id: str
    kind: str
    state: State
    stage: str = ""
    done: int = 0
    total: int = 0
    unit: str = "steps"
    eta_s: float | None = None
    error: str | None = None
    ahead: int = 0
