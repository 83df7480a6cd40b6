"""LaCo, Layer Collapse (Yang, Cao and Zhao, arXiv 2402.11187): merge consecutive layers into one, from the top down."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

from prune_core.methods.base import Evidence, Method, Step, setting
from prune_core.methods.threshold import Trial, decide, words
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Merge, Plan

Layer = dict[int, int]
"""A layer of the current model: how often it holds each donor layer's weights. The lowest of them is its base."""


@dataclass(frozen=True)
class LaCo(Method):
    """Algorithm 1 of the paper: at base l, merge the C - 1 layers above; keep the merge when the mean cosine of the
    last hidden state with the donor's exceeds T, and go I layers down, else one.

    With a budget the search ends once that many layers are gone (the last merge takes only what is left of it); a
    threshold left empty becomes the highest one that meets the budget. A merge may absorb an earlier one. The paper's
    rule for a base beyond the top is not needed: a base only goes down.
    """

    name = "laco"
    label = "LaCo"
    source = "arXiv 2402.11187"
    what = "Merges neighbouring layers into one, top down, while the output stays similar to the donor's."
    needs = "search"
    score = "similarity of the last hidden state to the donor's"
    budget_optional = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "Llama-2-7B (paper)": {"span": 4, "lowest": 1, "highest": 32, "interval": 2, "threshold": 0.65},
        "Llama-2-13B (paper)": {"span": 6, "lowest": 1, "highest": 40, "interval": 2, "threshold": 0.75},
        "Baichuan2-7B (paper)": {"span": 4, "lowest": 1, "highest": 32, "interval": 2, "threshold": 0.70},
        "Llama-2-13B (released code)": {
            "span": 7, "lowest": 0, "highest": 39, "interval": 1, "threshold": 0.45, "rule": "telescoped", "samples": 5
        },
    }  # fmt: skip

    span: int = setting(4, "Layers per merge (C)", "How many layers become one, including the base.", 2, 64)
    lowest: int = setting(1, "Lowest layer (L)", "No layer below this one is merged into.", 0, 1000)
    highest: int | None = setting(None, "Highest layer (H)", "Merging starts C below it; empty: the top.", 2, 1000)
    interval: int = setting(2, "Interval (I)", "How far the base goes down after a merge.", 1, 64)
    threshold: float | None = setting(
        0.65, "Threshold (T)", "Similarity a merge must exceed; empty: the highest that meets the budget.", -1, 1, 0.01
    )
    rule: Literal["rdsc", "telescoped"] = setting(
        "rdsc",
        "Merge rule",
        "rdsc: the paper's rule, the base plus all differences from it. telescoped: what the released code computes, "
        "the last layer's weights with the base's norms.",
    )
    samples: int = setting(10, "Texts", "Calibration texts over which the similarity is averaged.", 1, 4096)

    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        return decide(evidence, self.label, self.threshold, budget, lambda t: self._search(evidence, t, budget))

    def at_budget(self) -> Self:
        return replace(self, threshold=None)

    def _search(self, evidence: Evidence, threshold: float, budget: int | None) -> Trial:
        depth = evidence.num_layers
        most = depth if budget is None else budget
        base = self._first_base(depth)
        evidence.expect(f"LaCo at {words(threshold, 3)}", base - self.lowest + 1)
        now: list[Layer] = [{layer: 1} for layer in range(depth)]
        steps: list[Step] = []
        while base >= self.lowest and depth - len(now) < most:
            count = min(self.span - 1, len(now) - 1 - base, most - (depth - len(now)))
            above = base + count + 1
            tried = [*now[:base], _collapsed(now[base:above]), *now[above:]]
            plan = self._as_plan(depth, tried)
            score = evidence.similarity(plan)
            accepted = score > threshold
            steps.append(Step(plan, score, accepted, f"{count} into layer {min(now[base])}, {words(threshold)}"))
            now = tried if accepted else now
            base -= self.interval if accepted else 1
        return Trial(self._as_plan(depth, now), steps)

    def _first_base(self, depth: int) -> int:
        highest = depth if self.highest is None else self.highest
        if highest > depth:
            raise UserError(f"LaCo's highest layer (H) is {highest}, but the model has {depth} layers: lower it.")
        if highest - self.span < self.lowest:
            raise UserError(
                f"LaCo finds no layer to merge into: merging {self.span} layers below layer {highest} starts at "
                f"layer {highest - self.span}, but the lowest is {self.lowest}; lower C or L."
            )
        return highest - self.span

    def _as_plan(self, depth: int, layers: list[Layer]) -> Plan:
        return Plan(depth, tuple(self._edit(layer) for layer in layers if len(layer) > 1), self.name)

    def _edit(self, layer: Layer) -> Merge:
        base, *others = sorted(layer)
        factors = tuple(layer[other] for other in others)
        plain = self.rule == "telescoped" or set(factors) == {1}
        return Merge(base, tuple(others), self.rule, () if plain else factors)


def _collapsed(layers: list[Layer]) -> Layer:
    """theta_l + sum_k (theta_{l+k} - theta_l), in numbers of donor layers; one that cancels out stays as 0."""
    base, *others = layers
    named = sorted({donor for layer in layers for donor in layer})
    return {d: base.get(d, 0) + sum(other.get(d, 0) - base.get(d, 0) for other in others) for d in named}
