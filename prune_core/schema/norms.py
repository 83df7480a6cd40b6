"""How large the hidden states are, and which few tokens are massive: what counts as one, and what was found. No torch.

Massive activations (Sun et al. 2024, arXiv 2402.17762; attention sinks, Xiao et al. 2023, arXiv 2309.17453): in most
language models a few tokens, the first of a text nearly always, take on huge values in an early layer and keep them
until the last ones. In a linear Gram matrix such a token outweighs all others together, and CKA says 1.000 everywhere.
"""

from dataclasses import dataclass

import numpy as np

HUGE, LARGE = 20.0, 4.0
"""A token is massive in a state where its norm is above HUGE times the median token's, or above LARGE times it there
and in the state before or after.

HUGE is the paper's definition in terms of norms: one value of 1,000 times the median magnitude makes a norm of
1,000 / (1.48 sqrt(D)) times the usual, 22 for a hidden size D of 900 and 10 for 4,096. LARGE finds their lesser kin:
in Qwen2.5-Coder-0.5B the ">" of an opening "<unk>" keeps a norm of 100 through twelve states, 7 times the median at
first, and seven of them in 1,536 tokens move CKA by 0.19; Gemma-3-270M's <bos> stands at 5 to 17 times. No other token
of the two exceeds 2.5 times the median for longer than one state. The second state is asked for because they persist,
in the paper too, while a single state may have many large tokens that nothing hangs on: after Gemma's first layer
every tenth token, most of them blanks, is at 5 to 15 times the median, and after the second none is.
"""

RULE = (
    f"A token is massive where its norm is above {HUGE:g} times the median norm of the state's tokens, "
    f"or above {LARGE:g} times in two states in a row."
)
"""The rule in words, for every place that shows what it found."""


@dataclass(frozen=True)
class MassiveToken:
    """`count` texts have token number `token_id`, written `text`, at `position` (from 0), massive from `first_state` to
    `last_state` at the widest."""

    token_id: int
    position: int
    count: int
    first_state: int
    last_state: int
    text: str = ""


@dataclass(frozen=True)
class Norms:
    """The norms of all tokens' hidden states, a state at a time, and the massive ones among them.

    median, largest: float64 [L+1]; the median is over windows of text of the medians within each. massive: int64
    [L+1], the tokens massive in that state. positions: int64 [P, 2], the positions from 0 that massive tokens have and
    how many each, the most frequent first. `excluded` tokens are massive in one state or more. examples: the most
    frequent ones.
    """

    median: np.ndarray
    largest: np.ndarray
    massive: np.ndarray
    positions: np.ndarray
    excluded: int
    examples: tuple[MassiveToken, ...]

    @property
    def states(self) -> tuple[int, ...]:
        """The states in which a token is massive."""
        return tuple(int(state) for state in np.flatnonzero(self.massive))

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by field, as a result keeps them."""
        return {name: getattr(self, name) for name in ("median", "largest", "massive", "positions")}
