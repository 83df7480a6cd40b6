"""Requests to the worker, one spec per kind of job, and their results. A spec as JSON is a recipe. No torch."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from prune_core.methods import AnyMethod, Step
from prune_core.schema.continuations import Texts
from prune_core.schema.drawn import Drawn
from prune_core.schema.drop_map import DropMap
from prune_core.schema.evaluation import DEMO_SKILLS
from prune_core.schema.inputs import Calibration, ModelInfo, ModelRef
from prune_core.schema.job import Answer
from prune_core.schema.measures import LayerStats
from prune_core.schema.plan import Plan
from prune_core.schema.reports import Preview
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.skill_map import SkillMap


@dataclass(frozen=True)
class InspectSpec:
    """Read a model's metadata: its size and whether it fits, without loading weights."""

    model: ModelRef
    kind: Literal["inspect"] = "inspect"
    quick: ClassVar[bool] = True
    answer: ClassVar[Answer] = "anew"


@dataclass(frozen=True)
class DrawSpec:
    """Draw the calibration sequences with the model's tokenizer alone: how much the text gives, before measuring."""

    model: ModelRef
    calibration: Calibration
    kind: Literal["draw"] = "draw"
    quick: ClassVar[bool] = True
    answer: ClassVar[Answer] = "kept"


@dataclass(frozen=True)
class MeasureSpec:
    """Load the model and measure all similarities on the calibration text in one pass.

    `cka_tokens`: tokens per minibatch of CKA. 256 cost about half as much as 512 and give twice as many minibatches for
    the standard error; the two differ by 0.01 to 0.02 where neighbouring tokens are alike.
    `extras`: names in measures.EXTRA_MEASURES, which cost more than the rest together.
    """

    model: ModelRef
    calibration: Calibration
    cka_tokens: int = 256
    extras: tuple[str, ...] = ()
    kind: Literal["measure"] = "measure"
    quick: ClassVar[bool] = False
    answer: ClassVar[Answer] = "kept"


@dataclass(frozen=True)
class PreviewSpec:
    """The loss of a plan via hooks on the loaded model, on the calibration text."""

    model: ModelRef
    calibration: Calibration
    plan: Plan
    kind: Literal["preview"] = "preview"
    quick: ClassVar[bool] = True
    answer: ClassVar[Answer] = "kept"


@dataclass(frozen=True)
class DropMapSpec:
    """The loss, and KL to the donor, of dropping every contiguous block, on the calibration text."""

    model: ModelRef
    calibration: Calibration
    kind: Literal["dropmap"] = "dropmap"
    quick: ClassVar[bool] = False
    answer: ClassVar[Answer] = "kept"


@dataclass(frozen=True)
class PlanSpec:
    """Let a method choose the layers to cut, `budget` of them (None if its threshold decides).

    Methods that search use their own number of texts; the others use the calibration text as it is.
    """

    model: ModelRef
    calibration: Calibration
    method: AnyMethod
    budget: int | None = None
    kind: Literal["plan"] = "plan"
    quick: ClassVar[bool] = False
    answer: ClassVar[Answer] = "kept"


@dataclass(frozen=True)
class ReplaceSpec:
    """Fit the networks of the plan's Replace edits on the calibration text, and preview the plan with them.

    The weights are kept, so that previews and runs of plans with the same replacements do not fit them again.
    """

    model: ModelRef
    calibration: Calibration
    plan: Plan
    kind: Literal["replace"] = "replace"
    quick: ClassVar[bool] = False
    answer: ClassVar[Answer] = "kept"


@dataclass(frozen=True)
class PushSpec:
    """Push the checkpoint of run `run_id` to the new hub repository `repository` ("owner/name")."""

    run_id: str
    repository: str
    private: bool = True
    kind: Literal["push"] = "push"
    quick: ClassVar[bool] = False
    answer: ClassVar[Answer] = "kept"


@dataclass(frozen=True)
class SkillMapSpec:
    """The accuracy on multiple-choice tasks without each block of `size` layers (1: each layer on its own).

    `tasks`, `task_folder`, `limit` and `fewshot` are as in `Evaluation`; with 100 items per task, a change of about 10
    points stands out from chance.
    """

    model: ModelRef
    tasks: tuple[str, ...] = DEMO_SKILLS
    task_folder: str | None = "demo"
    limit: int | None = 100
    fewshot: int | None = None
    size: int = 1
    kind: Literal["skillmap"] = "skillmap"
    quick: ClassVar[bool] = False
    answer: ClassVar[Answer] = "kept"


@dataclass(frozen=True)
class TextSpec:
    """What donor and pruned model write after each prompt, with the same draws, and where the pruned one diverges.

    The pruned model is the checkpoint of run `run_id`, or `plan` via hooks on the loaded model if that is None.
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
    quick: ClassVar[bool] = True
    answer: ClassVar[Answer] = "kept"


AnySpec = (
    InspectSpec
    | DrawSpec
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
class PlanResult:
    """The plan, and the method's steps in order. `measured` plans were run, `reused` ones already known."""

    plan: Plan
    steps: tuple[Step, ...]
    measured: int
    reused: int
    seconds: float


@dataclass(frozen=True)
class ReplaceResult:
    """How fitting went. `preview` is None while it is running.

    `curves`: by the block's "start-stop", float64 [points, 3]. For a trained network: step, loss since the last point
    (NaN at step 0), loss on held-back text; 1 is the error of dropping the block, if no next-token loss is mixed in.
    For a linear map whose ridge was chosen: ridge (infinity is the plain cut), NaN, next-token loss on held-back text.
    """

    plan: Plan
    curves: dict[str, np.ndarray]
    preview: Preview | None
    seconds: float


@dataclass(frozen=True)
class PushResult:
    """Where the pushed model is now."""

    address: str


AnyResult = (
    PushResult
    | ModelInfo
    | Drawn
    | LayerStats
    | Preview
    | DropMap
    | SkillMap
    | PlanResult
    | ReplaceResult
    | Texts
    | RunResult
)
