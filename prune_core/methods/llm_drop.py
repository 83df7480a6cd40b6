"""LLM-Drop (He et al., arXiv 2406.15786): drop the attention that changes the hidden state least."""

from dataclasses import dataclass
from typing import Literal

from prune_core.methods.base import Evidence, Method, Step, drop_parts, setting
from prune_core.schema.plan import PARTS, Part, Plan


@dataclass(frozen=True)
class LLMDrop(Method):
    """A part's importance is 1 - cos(x, x + part(norm(x))), mean over tokens; the least important go, all at once.

    A budget of n layers is n attentions, or n MLPs, or, for "joint", which ranks both kinds together, 2n parts.
    """

    name = "llm_drop"
    label = "LLM-Drop"
    source = "arXiv 2406.15786"
    what = (
        "Drops the attention (or the MLP) of as many layers as the budget says, where it changes the hidden state "
        "least; 'joint' drops twice as many parts, of both kinds. A layer that loses one part keeps zeros there, no "
        "smaller or faster."
    )
    needs = "search"
    score = "1 - cosine"

    part: Literal["attention", "mlp", "joint"] = setting(
        "attention", "Part", "Which part of the layers is dropped; joint: whichever matters least."
    )
    samples: int = setting(256, "Texts", "Calibration texts on which the cosines are measured.", 1, 4096)

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        layers, wanted = evidence.num_layers, (2 if self.part == "joint" else 1) * (budget or 0)
        evidence.expect("comparing hidden states", layers)
        influence = dict(zip(PARTS, evidence.part_influence().tolist(), strict=True))
        ranked: list[tuple[Part, int]] = [
            (part, layer) for part in PARTS for layer in range(layers) if self.part in (part, "joint")
        ]
        order = sorted(ranked, key=lambda each: influence[each[0]][each[1]])
        for place, (part, layer) in enumerate(order):
            evidence.record(Step(drop_parts(layers, [(part, layer)]), influence[part][layer], place < wanted))
        return drop_parts(layers, order[:wanted])
