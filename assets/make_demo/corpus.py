"""The training documents, the tokenizer, and the two corpus files.

python -m assets.make_demo.corpus
"""

import json
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from assets.make_demo.drills import DRILLS
from assets.make_demo.skills import draw
from assets.make_demo.stories import story
from assets.make_demo.world import PEOPLE, VALUES, tell

ASSETS = Path(__file__).resolve().parents[1]
MODEL, TEXT = ASSETS / "demo_model", ASSETS / "corpus"
SEEDS = {
    "train 1": 1, "tokenizer": 2, "tests": 3, "calibration": 4, "heldout": 5, "train 2": 6, "train 3": 7, "train 4": 8,
}  # fmt: skip
VOCABULARY, TEXT_BYTES = 1536, 200_000
# How often a document is a story, an exercise or drill, in the stages of the training: at first a bit of everything,
# then what is learnt makes room for what is hard.
MIXTURES = {
    "train 1": {
        "story": 4.0, "facts": 3.0, "agreement": 2.0, "induction": 1.6, "tracking": 4.0, "arithmetic": 5.0,
        "ordering": 4.0, "calendar": 3.0,
    },
    "train 2": {
        "story": 3.0, "facts": 1.0, "agreement": 1.0, "induction": 1.6, "tracking": 4.0, "arithmetic": 6.0,
        "ordering": 6.0, "calendar": 4.0, "sums": 3.0, "week": 3.0,
    },
    "train 3": {
        "story": 3.0, "facts": 0.7, "agreement": 0.7, "induction": 1.0, "tracking": 5.0, "arithmetic": 4.0,
        "ordering": 8.0, "calendar": 5.0, "sums": 1.5, "week": 3.0, "chain": 4.0, "pair": 4.0,
    },
    "train 4": {
        "story": 3.5, "facts": 0.7, "agreement": 0.7, "induction": 1.0, "tracking": 8.0, "arithmetic": 6.0,
        "ordering": 9.0, "calendar": 1.0, "sums": 1.0, "pair": 2.0,
    },
}  # fmt: skip
STAGES = (("train 1", 1000), ("train 2", 600), ("train 3", 400), ("train 4", None))  # and for how many steps


def document(rng: random.Random, mixture: dict[str, float]) -> str:
    """One training document. Never contains a situation that is kept for the tests."""
    kind = rng.choices(list(mixture), list(mixture.values()))[0]
    if kind in DRILLS:
        return DRILLS[kind](rng)
    if kind == "story":
        return story(rng)
    if kind == "facts":
        names = [rng.choice(PEOPLE)] if rng.random() < 0.5 else rng.sample(PEOPLE, 3)
        told = [(n, a) for n in names for a in VALUES]
        return " ".join(tell(rng, n, a) for n, a in rng.sample(told, rng.randint(1, 4)))
    if kind == "agreement":
        return " ".join(draw(kind, rng, False).text() for _ in range(rng.randint(1, 3)))
    return draw(kind, rng, False).text()


def documents(seed_name: str) -> Iterator[str]:
    """An endless, repeatable stream of documents."""
    rng, mixture = random.Random(SEEDS[seed_name]), MIXTURES.get(seed_name, MIXTURES["train 1"])
    while True:
        yield document(rng, mixture)


def training_blocks(tokenizer: PreTrainedTokenizerFast, context: int, rows: int) -> Iterator[np.ndarray]:
    """Endless [rows, context] blocks, one for each step: the stages one after the other."""
    for seed_name, steps in STAGES:
        yield from islice(token_rows(tokenizer, context, rows, seed_name), steps)


def token_rows(tokenizer: PreTrainedTokenizerFast, context: int, rows: int, seed_name: str) -> Iterator[np.ndarray]:
    """Endless [rows, context] blocks of packed documents, each `<bos> text <eos>`."""
    stream, buffer, need = documents(seed_name), [], rows * context
    while True:
        while len(buffer) < need:
            for ids in tokenizer([next(stream) for _ in range(2000)])["input_ids"]:
                buffer += [*ids, tokenizer.eos_token_id]
        for start in range(0, len(buffer) - need + 1, need):
            yield np.array(buffer[start : start + need]).reshape(rows, context)
        buffer = buffer[len(buffer) // need * need :]


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE trained on the corpus; puts `<bos>` first by itself, as Llama's does."""
    stream = documents("tokenizer")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    bpe.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    bpe.train_from_iterator(
        (next(stream) for _ in range(40_000)),
        trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=["<bos>", "<eos>"], show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )  # fmt: skip
    bpe.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A $B", special_tokens=[("<bos>", 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<bos>", eos_token="<eos>", pad_token="<eos>", model_max_length=1024,
        padding_side="right", clean_up_tokenization_spaces=False,
    )  # fmt: skip


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Saves it under the class name that every version of transformers knows."""
    tokenizer.save_pretrained(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def corpus_text(name: str, known: frozenset[str] = frozenset()) -> list[str]:
    """The documents of a corpus file, TEXT_BYTES of them, none of which is in `known`."""
    lines, size = [], 0
    for line in (each for each in documents(name) if each not in known):
        lines.append(line)
        size += len(line) + 1
        if size >= TEXT_BYTES:
            return lines
    raise AssertionError("documents() is endless")


if __name__ == "__main__":
    MODEL.mkdir(exist_ok=True)
    save_tokenizer(make_tokenizer(), MODEL)
    TEXT.mkdir(exist_ok=True)
    calibration = corpus_text("calibration")
    heldout = corpus_text("heldout", frozenset(calibration))  # text that chose the layers must not judge them
    for name, lines in (("calibration", calibration), ("heldout", heldout)):
        (TEXT / f"{name}.txt").write_text("\n".join(lines) + "\n")
