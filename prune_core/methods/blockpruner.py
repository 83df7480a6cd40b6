"""BlockPruner (Zhong et al., arXiv 2406.10594): drop attentions and MLPs one by one, always the least needed one."""

from dataclasses import dataclass

from prune_core.methods.base import Evidence, Method, Step, drop_parts, setting
from prune_core.schema.plan import PARTS, Part, Plan


@dataclass(frozen=True)
class BlockPruner(Method):
    """Greedy: in each round the attention or MLP goes whose removal gives the lowest loss. (The paper's perplexity is
    its exponential, so the order is the same.)

    Two parts make a layer: a budget of n layers is 2n parts. Nothing is protected, as in the paper; 128 texts are the
    released code's default.
    """

    name = "blockpruner"
    label = "BlockPruner"
    source = "arXiv 2406.10594"
    what = (
        "Drops one attention or MLP at a time, the one whose removal raises the loss least: two per layer of the "
        "budget. A layer that loses both is removed; one that loses only one keeps zeros there, no smaller or faster."
    )
    needs = "search"
    score = "loss without the part"

    samples: int = setting(128, "Texts", "Calibration texts on which the loss is measured.", 1, 4096)

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        layers, rounds = evidence.num_layers, 2 * (budget or 0)
        left: list[tuple[Part, int]] = [(part, layer) for part in PARTS for layer in range(layers)]
        evidence.expect("dropping parts one by one", sum(len(left) - done for done in range(rounds)))
        gone: list[tuple[Part, int]] = []
        for number in range(1, rounds + 1):
            evidence.settle(drop_parts(layers, gone))
            scores = {each: evidence.loss(drop_parts(layers, [*gone, each])) for each in left}
            best = min(left, key=lambda each: scores[each])
            for (part, layer), score in scores.items():
                word = "MLP" if part == "mlp" else part
                note = f"round {number}, without the {word} of layer {layer}"
                plan = drop_parts(layers, [*gone, (part, layer)])
                evidence.record(Step(plan, score, (part, layer) == best, note))
            gone.append(best)
            left.remove(best)
        return drop_parts(layers, gone)
