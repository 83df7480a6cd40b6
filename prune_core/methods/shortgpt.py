"""ShortGPT (Men et al., arXiv 2403.03853): drop the layers that change the hidden state least."""

from dataclasses import dataclass

from prune_core.methods.base import Evidence, Method, drop_lowest
from prune_core.schema.measures import block_influence
from prune_core.schema.plan import Plan


@dataclass(frozen=True)
class ShortGPT(Method):
    """Block Influence: BI_l = 1 - mean cos(x_l, x_{l+1}) over tokens; the layers with the lowest BI go, all at once."""

    name = "shortgpt"
    label = "ShortGPT (Block Influence)"
    source = "arXiv 2403.03853"
    what = "Drops the layers whose output has the highest cosine with their input."
    needs = "similarity"
    score = "Block Influence"

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        influence = block_influence(evidence.stats.values["cosine"])
        return drop_lowest(evidence, range(evidence.num_layers), influence.tolist(), budget or 0)
