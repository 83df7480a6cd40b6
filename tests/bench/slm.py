"""python -m tests.bench.slm: sliding layer merging against its published loop, in one run.

The published loop copies the model for each candidate and evaluates a window of one layer after each merge.
"""

from prune_core.methods.slm import SlidingLayerMerging
from prune_core.search.evidence import Search
from tests.bench.laco import weights
from tests.bench.random_llama import as_loaded
from tests.bench.searching import alike_llama, done, forward_row, one_by_one, padded, random_sentences, show, sizes
from tests.methods import literal


def main() -> None:
    """Measure and print one table."""
    options = sizes(__doc__, threshold=0.98, sentences=10, length=128)
    model = alike_llama(options)
    sentences = random_sentences([options.length] * options.sentences, options.vocab)
    forward = forward_row(model, one_by_one(sentences))
    for rule in ("telescoped", "rdsc"):
        method = SlidingLayerMerging(options.threshold, rule)
        groups = [padded(sentences[i : i + 4]) for i in range(0, len(sentences), 4)]
        batched, single = Search(as_loaded(model), groups), Search(as_loaded(model), one_by_one(sentences))
        plan, ours = done("SLM, 4 sentences at a time", lambda m=method, s=batched: m.plan(s))
        same, one = done("SLM, a sentence at a time", lambda m=method, s=single: m.plan(s))
        (expected, seen), published = done(
            "published loop", lambda r=rule: literal.slm(model, sentences, options.threshold, r)
        )
        print(f"\nSLM by {rule}: {len(plan.removed)} of {options.layers} layers, {len(seen)} candidates, ", end="")
        show(forward, published, [one, ours])
        equal = [step.accepted for step in batched.steps] == [accepted for _, accepted in seen] and plan == same
        worst = max(abs(step.score - score) for step, (score, _) in zip(batched.steps, seen, strict=True))
        print(
            f"decisions equal: {equal}; similarity differs by {worst:.1e}; weights by {weights(model, plan, expected)}"
        )


if __name__ == "__main__":
    main()
