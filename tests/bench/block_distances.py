"""python -m tests.bench.block_distances: the best block of every size, against one run of published code for each size.

Published code (PruneMe) makes a pass for each block size and compares all candidates at the last token; LLM-Streamline
compares them at all tokens. Ours is one pass for all sizes, cosine and angle at all tokens and at the last.
"""

import torch
from torch import Tensor, nn

from prune_core.forward import capture
from prune_core.measure.similarity.tokens import TokenMeasures
from prune_core.measure.similarity.windows import Windows
from prune_core.schema.measures import best_blocks
from tests.bench.random_llama import as_loaded, random_llama
from tests.bench.searching import done, forward_row, padded, random_sentences, show, sizes
from tests.methods.literal import states


def main() -> None:
    """Measure and print one table."""
    options = sizes(__doc__, vocab=512, sentences=4, length=64)
    model = random_llama(options.layers, options.hidden, options.vocab)
    sentences = random_sentences([options.length] * options.sentences, options.vocab)
    batches = [padded(sentences[i : i + 4]) for i in range(0, len(sentences), 4)]
    forward = forward_row(model, batches)
    measures = TokenMeasures(options.layers + 1)
    windows = Windows(256, [measures])
    _, ours = done("one pass for all sizes", lambda: capture.run(as_loaded(model), batches, [windows]))
    windows.finish()
    estimates = measures.estimates()
    last, last_row = done("a pass a size, last token", lambda: every_size(model, sentences, last_only=True))
    each, all_row = done("a pass a size, all tokens", lambda: every_size(model, sentences, last_only=False))
    print(f"all block sizes of {options.layers} layers, ", end="")
    show(forward, all_row, [ours], (last_row,))
    print(f"against last token only: {last_row.processor / ours.processor:.1f}x")
    for name, expected in (("angular_last", last), ("angular", each)):
        found = best_blocks(name, estimates[name].value)
        worst = max(abs(value - distance) for (*_, value), (_, distance) in zip(found, expected, strict=True))
        equal = [start for start, *_ in found] == [start for start, _ in expected]
        print(f"{name}: blocks equal: {equal}; distance differs by {worst:.1e}")


def every_size(model, sentences: list[Tensor], last_only: bool) -> list[tuple[int, float]]:
    """For each block size, the start and angular distance of the best block, by one pass over the text for each."""
    found = []
    for size in range(1, len(model.model.layers)):
        sums = torch.zeros(len(model.model.layers) - size + 1, dtype=torch.float64)
        for ids in sentences:
            hidden = states(model, ids)
            for start in range(len(sums)):
                pair = hidden[start], hidden[start + size]
                a, b = (state[-1:] for state in pair) if last_only else pair
                cosine = nn.functional.cosine_similarity(a, b, dim=-1).clamp(-1, 1)
                sums[start] += (torch.arccos(cosine) / torch.pi).double().mean()
        mean = sums / len(sentences)
        found.append((int(mean.argmin()), float(mean.min())))
    return found


if __name__ == "__main__":
    main()
