"""How long-running work reports progress and learns that it was cancelled."""

from typing import Protocol


class Progress(Protocol):
    """What long-running work reports to. Both calls raise `Cancelled` once the user has asked to stop."""

    def stage(self, name: str, total: int, unit: str = "steps") -> None:
        """Begin a stage of `total` units, named in plain words ("measuring layers")."""
        ...

    def advance(self, done: int = 1) -> None:
        """Report that `done` more units of the current stage are finished."""
        ...


class Silent:
    """A `Progress` that reports nothing, for tests and library use."""

    def stage(self, name: str, total: int, unit: str = "steps") -> None: ...

    def advance(self, done: int = 1) -> None: ...
