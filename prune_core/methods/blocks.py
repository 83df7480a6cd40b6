"""Methods that drop one contiguous block, chosen on the similarity maps: the block whose two ends are most alike."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from prune_core.methods.base import Evidence, Method, drop_block, setting, unprotected
from prune_core.schema.measures import alike
from prune_core.schema.plan import Plan, drop_plan


def most_alike_block(evidence: Evidence, measure: str, size: int) -> Plan:
    """Drop [l, l + size), l = argmax of the likeness of states l and l + size, over l = 0..L - size.

    The state above the last layer is taken before the final norm, like all others.
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
    what = "Drops the block whose input and output lie at the smallest angle."
    needs = "similarity"
    score = "angular distance of the block's ends"

    tokens: Literal["last", "all"] = setting("last", "Tokens", "The paper's is the last token of each text.")

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        return most_alike_block(evidence, "angular_last" if self.tokens == "last" else "angular", budget or 0)


@dataclass(frozen=True)
class AlikeBlock(Method):
    """The block whose ends are most alike by a measure of one's own choice; CKA is the one that no paper's rule has."""

    name = "alike_block"
    label = "Most alike block"
    source = "arXiv 2010.15327"
    what = "Drops the block whose input and output are most alike by the chosen measure."
    needs = "similarity"
    score = "likeness of the block's ends"

    measure: Literal["cka", "cosine", "angular", "angular_last"] = setting("cka", "Measure", "What is compared.")

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
