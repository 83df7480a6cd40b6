"""SLM, sliding layer merging (arXiv 2502.19159): a window grows downwards as long as merging it does little harm."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

from prune_core.methods.base import Evidence, Method, Step, setting
from prune_core.methods.threshold import Trial, decide, words
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Merge, Plan


@dataclass(frozen=True)
class SlidingLayerMerging(Method):
    """Below the protected last layers, merge a window [low, high] into its lowest layer; while the mean cosine of the
    last hidden state with the donor's is at least T, the window grows down by one layer; otherwise it is kept without
    that layer and the next window begins there.

    The window that reaches layer 0 is kept too (the released code forgets it); windows of one layer, which the code
    evaluates after each merge, are skipped. With a budget the search ends once that many layers are gone; a threshold
    left empty becomes the highest one that meets the budget.
    """

    name = "slm"
    label = "Sliding layer merging"
    source = "arXiv 2502.19159"
    what = "Merges runs of layers, each extended as long as the output stays similar to the donor's."
    needs = "search"
    score = "similarity of the last hidden state to the donor's"
    budget_optional = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "Llama-2-7B": {"threshold": 0.68},
        "Llama-2-13B": {"threshold": 0.72},
        "Llama-3-8B": {"threshold": 0.51},
    }

    threshold: float | None = setting(
        0.72, "Threshold (T)", "Similarity a window must keep; empty: the highest that meets the budget.", -1, 1, 0.01
    )
    rule: Literal["rdsc", "telescoped"] = setting(
        "rdsc",
        "Merge rule",
        "rdsc: the paper's rule, the base plus all differences from it. telescoped: what the released code computes, "
        "the last layer's weights with the base's norms.",
    )
    protect_last: int = setting(1, "Protected last layers", "These are never merged.", 0, 1000)
    samples: int = setting(10, "Texts", "Calibration texts over which the similarity is averaged.", 1, 4096)

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        if evidence.num_layers - self.protect_last < 2:
            raise UserError(
                f"Sliding layer merging has fewer than 2 layers to merge: the model has {evidence.num_layers} and "
                f"{self.protect_last} are protected; protect fewer."
            )
        return decide(evidence, self.label, self.threshold, budget, lambda t: self._search(evidence, t, budget))

    def at_budget(self) -> Self:
        return replace(self, threshold=None)

    def _search(self, evidence: Evidence, threshold: float, budget: int | None) -> Trial:
        depth = evidence.num_layers
        high = depth - 1 - self.protect_last
        low = high - 1
        evidence.expect(f"sliding layer merging at {words(threshold, 3)}", high)
        kept, steps = Plan(depth, (), self.name), []
        while low >= 0 and len(kept.removed) + (high - low - 1) != budget:
            plan = self._with_window(kept, low, high)
            score = evidence.similarity(plan)
            accepted = score >= threshold
            steps.append(Step(plan, score, accepted, f"window {low} to {high}, {words(threshold)}"))
            if not accepted:
                kept, high = self._with_window(kept, low + 1, high), low
            low -= 1
        return Trial(self._with_window(kept, low + 1, high), steps)

    def _with_window(self, kept: Plan, low: int, high: int) -> Plan:
        """`kept` and the merge of layers low..high into `low`; no merge if that is one layer."""
        merge = (Merge(low, tuple(range(low + 1, high + 1)), self.rule),) if low < high else ()
        return replace(kept, edits=kept.edits + merge)
