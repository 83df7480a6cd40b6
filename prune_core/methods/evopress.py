"""EvoPress (Sieberling et al., arXiv 2410.14649): an evolutionary search over which layers to drop."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from math import comb

import numpy as np

from prune_core.methods.base import Evidence, Method, Step, setting
from prune_core.schema.plan import Plan, drop_plan

Gone = frozenset[int]
"""A search point: the layers that are dropped, always as many as the budget."""

TRIES = 50
"""Mutations drawn per child wanted, since a small model has few distinct children."""


@dataclass(frozen=True)
class EvoPress(Method):
    """(1 + offspring) search with the fitness KL(donor || cut model). A mutation swaps layers: some dropped ones
    come back and as many others go. Children are screened on few tokens, then the survivors and their parent
    (elitism) compete on more.

    Whole layers are dropped, whereas the released code by default drops attention and MLP separately. Each stage always
    uses the same first tokens, whereas the paper draws new ones each time, so that no measurement is repeated.
    """

    name = "evopress"
    label = "EvoPress"
    source = "arXiv 2410.14649"
    what = "Evolves sets of dropped layers towards the smallest KL divergence from the donor."
    needs = "search"
    score = "KL divergence from the donor"

    generations: int | None = setting(None, "Generations", "Empty: n (L - n) / 1.5, as published.", 0, 10000)
    offspring: int = setting(32, "Children", "Mutations of the parent in each generation.", 1, 1024)
    initial: int = setting(64, "First candidates", "Random cuts; the best one is the first parent.", 1, 4096)
    survivors: int = setting(2, "Survivors", "Children that reach the second stage.", 1, 64)
    max_switches: int = setting(3, "Max swaps", "Most layers one mutation swaps.", 1, 64)
    first_tokens: int = setting(2048, "Tokens, first stage", "Also for the first candidates.", 1, 10_000_000)
    tokens: int = setting(32768, "Tokens, second stage", "At most the whole calibration text.", 1, 100_000_000)
    samples: int = setting(256, "Texts", "Calibration texts to measure on.", 1, 65536)
    seed: int = setting(0, "Seed", "The same seed gives the same candidates.", 0, 2**31 - 1)

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        layers, size = evidence.num_layers, budget or 0
        generations = round(size * (layers - size) / 1.5) if self.generations is None else self.generations
        evidence.expect("evolving", self.initial + generations * (self.offspring + self.survivors + 1))
        random = np.random.default_rng(self.seed)

        def coarse(point: Gone) -> float:
            return evidence.kl(drop_plan(layers, list(point)), self.first_tokens)

        def fine(point: Gone) -> float:
            return evidence.kl(drop_plan(layers, list(point)), self.tokens)

        first = _distinct(self.initial, comb(layers, size), (), lambda: _draw(random, layers, size))
        parent = min(first, key=coarse)
        self._tell(evidence, parent, fine(parent), True, f"best of {len(first)} random cuts")
        for generation in range(1, generations + 1):
            mutate = partial(self._mutation, random, layers, parent)
            children = _distinct(self.offspring, comb(layers, size) - 1, (parent,), mutate)
            rivals = [*sorted(children, key=coarse)[: self.survivors], parent]
            best = min(rivals, key=fine)
            self._tell(evidence, best, fine(best), best != parent, f"generation {generation}")
            parent = best
        return drop_plan(layers, list(parent))

    def _tell(self, evidence: Evidence, point: Gone, score: float, accepted: bool, note: str) -> None:
        evidence.record(Step(drop_plan(evidence.num_layers, list(point)), score, accepted, note))

    def _mutation(self, random: np.random.Generator, layers: int, parent: Gone) -> Gone:
        """`parent` after a few swaps: the smaller of two draws from 1..max_switches, so that one is most likely."""
        gone = parent
        for _ in range(int(random.integers(1, self.max_switches + 1, size=2).min())):
            back, out = random.choice(sorted(gone)), random.choice(sorted(set(range(layers)) - gone))
            gone = (gone - {int(back)}) | {int(out)}
        return gone


def _draw(random: np.random.Generator, layers: int, size: int) -> Gone:
    return frozenset(int(layer) for layer in random.choice(layers, size, replace=False))


def _distinct(wanted: int, there_are: int, known: Collection[Gone], make: Callable[[], Gone]) -> list[Gone]:
    """Up to `wanted` distinct points that are not `known`, in the order drawn; fewer if sampling finds no more."""
    found: dict[Gone, None] = {}
    for _ in range(TRIES * wanted):
        if len(found) >= min(wanted, there_are):
            break
        point = make()
        if point not in known:
            found[point] = None
    return list(found)
