"""python -m tests.real.cka_table FOLDER TEXT: linear CKA of a real model's states, beside a table made independently.

TEXT is WikiText-2's validation text, a paragraph a line. The table was made in float64 from float32 states of 24 of its
paragraphs of over 400 characters, 64 tokens each, as one minibatch. Prints ours for the same pairs of states: over all
tokens, without each text's first token, with states scaled to norm 1, and, as the map shows by default, without the
tokens that are massive by their norm.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from prune_core.data.batches import Batch
from prune_core.forward import capture
from prune_core.measure.similarity.cka import MinibatchCKA
from prune_core.measure.similarity.norm_record import NormRecord
from prune_core.measure.similarity.windows import Windows
from prune_core.model.load import LoadedModel, load
from prune_core.schema.inputs import ModelRef
from prune_core.schema.wording import massive_in_words

TEXTS, LENGTH, CHARACTERS = 24, 64, 400
CLOSE = 0.005

Row = tuple[float, float, float]
TABLE: dict[str, dict[tuple[int, int], Row]] = {
    "qwen2": {
        (6, 12): (1.000, 0.936, 0.922),
        (6, 18): (1.000, 0.660, 0.851),
        (9, 15): (1.000, 0.919, 0.934),
        (12, 21): (1.000, 0.572, 0.759),
        (3, 24): (0.950, 0.414, 0.410),
    },
    "gemma3_text": {(6, 12): (0.973, 0.171, 0.305)},
}
"""By family and pair of states: all tokens, without each text's first token, states scaled to norm 1."""


def main() -> None:
    """Print the table for one model."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder")
    asked.add_argument("text", type=Path)
    asked.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    asked.add_argument("--cka-tokens", type=int, default=TEXTS * LENGTH, help="the table's are one minibatch")
    options = asked.parse_args()
    loaded = load(ModelRef(options.folder, device="cpu", dtype=options.dtype))
    batch = paragraphs(loaded, options.text)
    cka, first_less, record = MinibatchCKA(), MinibatchCKA(), NormRecord()
    windows, others = Windows(options.cka_tokens, (cka, record)), Windows(options.cka_tokens, [first_less])
    capture.run(loaded, [batch], (windows, WithoutFirst(others)))
    windows.finish()
    others.finish()
    found = cka.estimates() | {"first_less": first_less.estimates()["cka_all"]}
    norms = record.norms(lambda text, position: int(batch.input_ids[text, position]))
    print(f"{loaded.info.family}, {options.dtype}, minibatches of {options.cka_tokens} tokens: ours (table)")
    print(massive_in_words(norms, batch.input_ids.numel()))
    for each in norms.examples[:6]:
        word = loaded.tokenizer.decode([each.token_id])
        print(f"  {word!r} x {each.count} at {each.position}, states {each.first_state} to {each.last_state}")
    print(f"{'states':>10}{'all tokens':>20}{'without first':>20}{'norm 1':>20}{'without massive':>18}")
    for (i, j), expected in TABLE.get(loaded.info.family, {}).items():
        ours = [found[name].value[i, j] for name in ("cka_all", "first_less", "cka_unit")]
        cells = "".join(f"{told(a, b):>20}" for a, b in zip(ours, expected, strict=True))
        print(f"{i:>5} {j:>4}{cells}{found['cka'].value[i, j]:>18.3f}")
    print(f"! differs by more than {CLOSE}")


def told(ours: float, table: float) -> str:
    """ "0.936 (0.936)", with a mark where they differ."""
    return f"{ours:.3f} ({table:.3f}){' !' if abs(ours - table) > CLOSE else '  '}"


def paragraphs(loaded: LoadedModel, text: Path) -> Batch:
    """The first paragraphs that are long enough, cut to equal length."""
    lines = [line.strip() for line in text.read_text(encoding="utf-8").split("\n")]
    chosen = [line for line in lines if len(line) > CHARACTERS][:TEXTS]
    ids = torch.tensor([loaded.tokenizer(line)["input_ids"][:LENGTH] for line in chosen])
    return Batch(ids, torch.ones_like(ids))


class WithoutFirst:
    """An accumulator that hands another the same states without each sequence's first token."""

    def __init__(self, further: Windows) -> None:
        self._further = further

    def update(self, states: Tensor, lengths: Tensor) -> None:
        """As `capture.Accumulator` has it."""
        stay = torch.ones(states.shape[1], dtype=torch.bool)
        stay[lengths.cumsum(0) - lengths] = False
        self._further.update(states[:, stay.to(states.device)], lengths - 1)


if __name__ == "__main__":
    main()
