"""python -m tests.bench.sleb: SLEB against its published loop, a whole forward pass for each candidate, in one run."""

from prune_core.methods.sleb import SLEB
from prune_core.search.evidence import Search
from tests.bench.random_llama import as_loaded, random_llama
from tests.bench.searching import done, forward_row, one_by_one, padded, random_sentences, show, sizes
from tests.methods import literal


def main() -> None:
    """Measure and print one table."""
    options = sizes(__doc__, vocab=2048, remove=4, sentences=4, length=64)
    model = random_llama(options.layers, options.hidden, options.vocab)
    sentences = random_sentences([options.length] * options.sentences, options.vocab)
    forward = forward_row(model, one_by_one(sentences))
    search = Search(as_loaded(model), [padded(sentences[i : i + 4]) for i in range(0, len(sentences), 4)])
    plan, ours = done("SLEB, 4 sentences at a time", lambda: SLEB().plan(search, options.remove))
    single = Search(as_loaded(model), one_by_one(sentences))
    same, one = done("SLEB, a sentence at a time", lambda: SLEB().plan(single, options.remove))
    (removed, seen), published = done("published loop", lambda: literal.sleb(model, sentences, options.remove))
    tokens = options.sentences * (options.length - 1)
    print(f"SLEB: {options.remove} of {options.layers} layers, {len(seen)} candidates, ", end="")
    show(forward, published, [one, ours])
    worst = max(abs(step.score - nll / tokens) for step, nll in zip(search.steps, seen, strict=True))
    equal = plan == same and plan.removed == tuple(sorted(removed))
    print(f"decisions equal: {equal}; loss differs by {worst:.1e}")


if __name__ == "__main__":
    main()
