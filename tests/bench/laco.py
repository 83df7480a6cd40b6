"""python -m tests.bench.laco: LaCo against its published loop, which copies the model for each candidate, in one run.

F is a pass a sentence at a time, as the published code makes them. Decisions and merged weights must be equal.
"""

from prune_core.cut.build import build
from prune_core.methods.laco import LaCo
from prune_core.search.evidence import Search
from tests.bench.random_llama import as_loaded
from tests.bench.searching import alike_llama, done, forward_row, one_by_one, padded, random_sentences, show, sizes
from tests.methods import literal

LENGTHS = [12, 21, 19, 11, 18]
"""Tokens of the released code's five sentences, about."""


def main() -> None:
    """Measure and print one table."""
    options = sizes(__doc__, threshold=0.972, span=4, interval=2)
    model = alike_llama(options)
    sentences = random_sentences(LENGTHS, options.vocab)
    forward = forward_row(model, one_by_one(sentences))
    for rule in ("telescoped", "rdsc"):
        method = LaCo(span=options.span, interval=options.interval, threshold=options.threshold, rule=rule)
        batched, at_once = Search(as_loaded(model), [padded(sentences)]), "batched with padding"
        plan, ours = done(f"LaCo, {at_once}", lambda m=method, s=batched: m.plan(s))
        single = Search(as_loaded(model), one_by_one(sentences))
        same, one = done("LaCo, a sentence at a time", lambda m=method, s=single: m.plan(s))
        (expected, seen), published = done(
            "published loop",
            lambda r=rule: literal.laco(
                model, sentences, options.span, 1, options.layers, options.interval, options.threshold, r
            ),
        )
        print(f"\nLaCo by {rule}: {len(plan.removed)} of {options.layers} layers, {len(seen)} candidates, ", end="")
        show(forward, published, [one, ours])
        equal = [step.accepted for step in batched.steps] == [accepted for _, accepted in seen] and plan == same
        worst = max(abs(step.score - score) for step, (score, _) in zip(batched.steps, seen, strict=True))
        print(
            f"decisions equal: {equal}; similarity differs by {worst:.1e}; weights by {weights(model, plan, expected)}"
        )


def weights(model, plan, expected) -> str:
    """The largest difference of a weight between our checkpoint and the literally merged model."""
    pairs = zip(build(model, plan).parameters(), expected.parameters(), strict=True)
    return f"{max((a - b).abs().max().item() for a, b in pairs):.1e}"


if __name__ == "__main__":
    main()
