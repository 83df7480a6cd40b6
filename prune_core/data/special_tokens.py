"""The marks that a tokenizer puts around a text, found by asking it: Gemma's <bos>, T5's </s>, none of Qwen's."""

from dataclasses import dataclass
from typing import Any

PROBE = "the"


@dataclass(frozen=True)
class Marks:
    """Token ids before and after every text."""

    begins: list[int]
    ends: list[int]

    def without_first(self, ids: list[int]) -> list[int]:
        """`ids` without the opening marks, where they are there: chat templates write them out."""
        size = len(self.begins)
        return ids[size:] if size and ids[:size] == self.begins else ids


def marks(tokenizer: Any) -> Marks:
    """What `tokenizer` adds to a text; nothing where text and marks cannot be told apart."""
    bare = list(tokenizer(PROBE, add_special_tokens=False)["input_ids"])
    whole = list(tokenizer(PROBE)["input_ids"])
    for begin in range(len(whole) - len(bare) + 1):
        if bare and whole[begin : begin + len(bare)] == bare:
            return Marks(whole[:begin], whole[begin + len(bare) :])
    return Marks([], [])


def spelled(tokenizer: Any, ids: list[int]) -> str:
    """Ids as the tokenizer spells them: "<bos>"."""
    return "".join(tokenizer.convert_ids_to_tokens(ids))
