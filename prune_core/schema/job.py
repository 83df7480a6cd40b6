"""A request to the worker, and the status of its job. No torch."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

Answer = Literal["kept", "anew", "new"]
"""What a repeated request does: return the "kept" result, redo the same job ("anew"), or start a "new" job."""


class Spec(Protocol):
    """A request to the worker, as a frozen dataclass that JSON can hold (pipeline/specs.py has them all).

    `kind` names it in job ids. `quick`: a person is waiting for it, so it goes before long jobs.
    """

    quick: ClassVar[bool]
    answer: ClassVar[Answer]

    @property
    def kind(self) -> str: ...


Result = Any
"""What a job returns: a frozen dataclass with numpy arrays."""

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
"""A job's status; "interrupted": its process died. Failed, cancelled and interrupted jobs resume from saved parts."""


@dataclass(frozen=True)
class Job:
    """A job's status. `eta_s` is the estimated time left in this stage in seconds, None while unknown; `ahead` is how
    many jobs come before it. `withdrawn`: cancelled because nobody waits for the answer any more.
    """

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
    withdrawn: bool = False
