"""What is kept of the norms of a text: each state's in short, and which tokens are massive."""

from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np

from prune_core.measure.similarity.windows import Window
from prune_core.schema.norms import MassiveToken, Norms

SHOWN = 50
"""So many examples, and positions, are kept of each text."""


class NormRecord:
    """A reader of windows that keeps each state's norms in short, and the place of every massive token."""

    def __init__(self) -> None:
        self._medians: list[np.ndarray] = []
        self._largest: list[np.ndarray] = []
        self._counts: list[np.ndarray] = []
        self._found: list[tuple[int, int, int, int]] = []

    def add(self, window: Window) -> None:
        self._medians.append(window.medians.cpu().double().numpy())
        self._largest.append(window.norms.amax(1).cpu().double().numpy())
        if not bool(window.outlying.any()):
            return
        flags = window.massive[:, window.outlying.to(window.massive.device)].cpu()
        self._counts.append(flags.sum(1).numpy())
        first = flags.int().argmax(0)
        last = len(flags) - 1 - flags.flip(0).int().argmax(0)
        places = (window.sequence[window.outlying], window.position[window.outlying], first, last)
        self._found += list(zip(*(place.tolist() for place in places), strict=True))

    def norms(self, token_at: Callable[[int, int], int]) -> Norms:
        """What was found. token_at: the token id at a sequence and a position, both from 0."""
        groups: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for sequence, position, first, last in self._found:
            groups[token_at(sequence, position), position].append((first, last))
        examples = [
            MassiveToken(token, position, len(spans), min(a for a, _ in spans), max(b for _, b in spans))
            for (token, position), spans in groups.items()
        ]
        examples.sort(key=lambda each: (-each.count, each.position, each.token_id))
        positions = Counter(position for _, position, _, _ in self._found)
        ranked = sorted(positions.items(), key=lambda each: (-each[1], each[0]))[:SHOWN]
        return Norms(
            median=np.median(self._medians, axis=0),
            largest=np.max(self._largest, axis=0),
            massive=np.stack([np.zeros(len(self._medians[0]), np.int64), *self._counts]).sum(0),
            positions=np.array(ranked, dtype=np.int64).reshape(-1, 2),
            excluded=len(self._found),
            examples=tuple(examples[:SHOWN]),
        )
