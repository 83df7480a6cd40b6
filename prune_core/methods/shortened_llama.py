"""Shortened LLaMA (Kim et al., arXiv 2402.02834): score every layer once, drop the least important."""

from dataclasses import dataclass

from prune_core.methods.base import Evidence, Method, drop_lowest, setting, unprotected
from prune_core.schema.plan import Plan, drop_plan


@dataclass(frozen=True)
class ShortenedTaylor(Method):
    """Taylor+: a layer's importance is the sum over its weights of |dL/dW * W|; the first 4 and last 2 layers stay."""

    name = "shortened_taylor"
    label = "Shortened LLaMA (Taylor+)"
    source = "arXiv 2402.02834"
    what = "Drops the layers whose weights matter least to the loss, to first order."
    needs = "search"
    score = "Taylor importance"

    protect_first: int = setting(4, "Protected first layers", "These are never dropped.", 0, 1000)
    protect_last: int = setting(2, "Protected last layers", "These are never dropped.", 0, 1000)
    samples: int = setting(10, "Texts", "Calibration texts on which the gradient is taken.", 1, 4096)

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        layers = unprotected(evidence, self.label, budget or 0, self.protect_first, self.protect_last)
        evidence.expect("taking gradients", evidence.num_layers)
        scores = evidence.taylor()
        return drop_lowest(evidence, layers, [float(scores[layer]) for layer in layers], budget or 0)


@dataclass(frozen=True)
class ShortenedLoss(Method):
    """PPL: a layer's importance is the model's loss without it (the paper's perplexity is its exponential, so the order
    is the same); all are dropped at once. Nothing is protected, as in the paper."""

    name = "shortened_loss"
    label = "Shortened LLaMA (PPL)"
    source = "arXiv 2402.02834"
    what = "Drops the layers whose removal, one at a time, raises the loss least."
    needs = "search"
    score = "loss without the layer"

    protect_first: int = setting(0, "Protected first layers", "These are never dropped.", 0, 1000)
    protect_last: int = setting(0, "Protected last layers", "These are never dropped.", 0, 1000)
    samples: int = setting(10, "Texts", "Calibration texts on which the loss is measured.", 1, 4096)

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        layers = unprotected(evidence, self.label, budget or 0, self.protect_first, self.protect_last)
        evidence.expect("scoring layers", len(layers))
        scores = [evidence.loss(drop_plan(evidence.num_layers, [layer])) for layer in layers]
        return drop_lowest(evidence, layers, scores, budget or 0)
