"""How long work tells how far it is, and learns that it was cancelled."""

from typing import Protocol


class Progress(Protocol):
    """What long work reports to. Both calls raise `Cancelled` once the user has asked to stop."""

    def stage(self, name: str, total: int, unit: str = "steps") -> None:
        """Begin a stage of `total` units, named in plain words ("measuring layers")."""
        ...

    def advance(self, done: int = 1) -> None:
        """Say that `done` more units of the current stage are finished."""
        ...


class Silent:
    """A `Progress` that tells nobody, for tests and library use."""

    def stage(self, name: str, total: int, unit: str = "steps") -> None: ...

    def advance(self, done: int = 1) -> None: ...
