"""How a fit went, as a list of points that grows while it runs."""

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Point(NamedTuple):
    """For a trained network: `at` is the step, `fitted` the loss since the last point (NaN at step 0), `held_back` that
    on the held-back text; 1 is the error of dropping the block, unless next-token loss is mixed in.

    For a linear map: `at` is the ridge tried (infinity is the plain cut), `fitted` is NaN, and `held_back` the
    next-token loss on the held-back text, in nats.
    """

    at: float
    fitted: float
    held_back: float


Watch = Callable[[Sequence[Point]], None]


def unwatched(points: Sequence[Point]) -> None:
    """A `Watch` that does nothing."""
