"""A question to the worker, and how its job stands. No torch."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

Answer = Literal["kept", "anew", "new"]
"""What asking again means: the "kept" answer is given, the same job is done "anew", or each asking is a "new" job."""


class Spec(Protocol):
    """A question to the worker, as a frozen dataclass that JSON can hold (pipeline/specs.py has them all).

    `kind` names it in job ids. `quick`: a person waits for it, so it goes before long jobs.
    """

    quick: ClassVar[bool]
    answer: ClassVar[Answer]

    @property
    def kind(self) -> str: ...


Result = Any
"""What a job answers: a frozen dataclass whose arrays are numpy's."""

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
