"""Methods that drop one contiguous block, chosen on the similarity maps: the block whose two ends are most alike."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from prune_core.methods.base import Evidence, Method, drop_block, setting, unprotected
from prune_core.schema.measures import alike
from prune_core.schema.plan import Plan, drop_plan


def most_alike_block(evidence: Evidence, measure: str, size: int) -> Plan:
    """Drop [l, l + size), l = argmax of the similarity of states l and l + size, over l = 0..L - size.

    The state after the last layer is taken before the final norm, like all others.
    """
    along = np.diagonal(evidence.stats.values[measure], offset=size)  # [L - size + 1]
    return drop_block(evidence, along.tolist(), size, int(np.argmax(alike(measure, along))))


@dataclass(frozen=True)
class Streamline(Method):
    """LLM-Streamline's choice of layers (arXiv 2403.19135): l* = argmax_l mean cos(x_l, x_{l+n})."""

    name = "streamline"
    label = "LLM-Streamline"
    source = "arXiv 2403.19135"
    what = "Drops the block whose input and output have the highest mean cosine over tokens."
    needs = "similarity"
    score = "mean cosine of the block's ends"

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        return most_alike_block(evidence, "cosine", budget or 0)


@dataclass(frozen=True)
class BlockDistance(Method):
    """Block angular distance (Gromov et al., arXiv 2403.17887): l* = argmin_l mean arccos(cos(x_l, x_{l+n})) / pi, at
    the last token of each text."""

    name = "block_distance"
    label = "Block angular distance"
    source = "arXiv 2403.17887"
    what = "Drops the block with the smallest angle between its input and output."
    needs = "similarity"
    score = "angular distance of the block's ends"

    tokens: Literal["last", "all"] = setting("last", "Tokens", "The paper uses the last token of each text.")

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        return most_alike_block(evidence, "angular_last" if self.tokens == "last" else "angular", budget or 0)


@dataclass(frozen=True)
class AlikeBlock(Method):
    """The block whose ends are most alike by a measure of your choice; no paper's rule uses CKA."""

    name = "alike_block"
    label = "Most alike block"
    source = "arXiv 2010.15327"
    what = "Drops the block whose input and output are most alike by the chosen measure."
    needs = "similarity"
    score = "similarity of the block's ends"

    measure: Literal["cka", "cosine", "angular", "angular_last"] = setting("cka", "Measure", "How ends are compared.")

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        return most_alike_block(evidence, self.measure, budget or 0)


@dataclass(frozen=True)
class DeepestLayers(Method):
    """The simple variant of Gromov et al.: drop the n layers before the last, [L - n - 1, L - 1), then heal; without
    healing it fails."""

    name = "deepest"
    label = "Deepest layers but the last"
    source = "arXiv 2403.17887"
    what = "Drops the deepest layers except the very last one; meant to be healed afterwards."
    needs = "nothing"

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        return drop_plan(evidence.num_layers, unprotected(evidence, self.label, budget or 0, 0, 1)[-(budget or 0) :])
