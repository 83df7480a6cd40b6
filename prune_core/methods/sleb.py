"""SLEB (Song et al., arXiv 2402.09025): drop layers one by one, each time the least needed one."""

from dataclasses import dataclass

from prune_core.methods.base import Evidence, Method, Step, setting, unprotected
from prune_core.schema.plan import Plan, drop_plan


@dataclass(frozen=True)
class SLEB(Method):
    """Greedy: in each round, remove the layer whose removal from the current model gives the lowest loss.

    The released code protects the first and the last remaining layer in each round; here the donor's first and last are
    protected throughout, which is the same, since neither can go.
    """

    name = "sleb"
    label = "SLEB"
    source = "arXiv 2402.09025"
    what = "Drops one layer at a time, each time the one whose removal raises the loss least."
    needs = "search"
    score = "loss without the layer"

    protect_first: int = setting(1, "Protected first layers", "These are never dropped.", 0, 1000)
    protect_last: int = setting(1, "Protected last layers", "These are never dropped.", 0, 1000)
    samples: int = setting(128, "Texts", "Calibration texts on which the loss is measured.", 1, 4096)

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        rounds = budget or 0
        layers = unprotected(evidence, self.label, rounds, self.protect_first, self.protect_last)
        evidence.expect("dropping layers one by one", sum(len(layers) - done for done in range(rounds)))
        gone: list[int] = []
        for number in range(1, rounds + 1):
            evidence.settle(drop_plan(evidence.num_layers, gone))
            scores = {layer: evidence.loss(drop_plan(evidence.num_layers, [*gone, layer])) for layer in layers}
            best = min(scores, key=lambda layer: scores[layer])
            for layer, score in scores.items():
                plan = drop_plan(evidence.num_layers, [*gone, layer])
                evidence.record(Step(plan, score, layer == best, f"round {number}, without layer {layer}"))
            gone.append(best)
            layers.remove(best)
        return drop_plan(evidence.num_layers, gone)
