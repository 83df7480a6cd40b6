"""Cuts that ignore the model: the baselines every method has to beat."""

from dataclasses import dataclass

import numpy as np

from prune_core.methods.base import Evidence, Method, setting, unprotected
from prune_core.schema.plan import Plan, drop_plan


@dataclass(frozen=True)
class LastLayers(Method):
    """The last n layers."""

    name = "last"
    label = "Last layers"
    source = "baseline"
    what = "Drops the last layers."
    needs = "nothing"

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        layers = evidence.num_layers
        return drop_plan(layers, list(range(layers - (budget or 0), layers)))


@dataclass(frozen=True)
class RandomLayers(Method):
    """n layers drawn at random."""

    name = "random"
    label = "Random layers"
    source = "baseline"
    what = "Drops layers drawn at random."
    needs = "nothing"

    protect_first: int = setting(0, "Protected first layers", "These are never dropped.", 0, 1000)
    protect_last: int = setting(0, "Protected last layers", "These are never dropped.", 0, 1000)
    seed: int = setting(0, "Seed", "The same seed gives the same layers.", 0, 2**31 - 1)

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        layers = unprotected(evidence, self.label, budget or 0, self.protect_first, self.protect_last)
        drawn = np.random.default_rng(self.seed).choice(layers, budget or 0, replace=False)
        return drop_plan(evidence.num_layers, [int(layer) for layer in drawn])


@dataclass(frozen=True)
class EvenlySpaced(Method):
    """n evenly spaced layers between the protected first and last ones."""

    name = "even"
    label = "Evenly spaced layers"
    source = "baseline"
    what = "Drops evenly spaced layers, with the first and last ones protected."
    needs = "nothing"

    protect_first: int = setting(1, "Protected first layers", "These are never dropped.", 0, 1000)
    protect_last: int = setting(1, "Protected last layers", "These are never dropped.", 0, 1000)

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        layers = unprotected(evidence, self.label, budget or 0, self.protect_first, self.protect_last)
        places = [(2 * part + 1) * len(layers) // (2 * (budget or 1)) for part in range(budget or 0)]
        return drop_plan(evidence.num_layers, [layers[place] for place in places])
