"""What a calibration text gives, before anything is measured on it. No torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Drawn:
    """How many sequences with how many tokens in all. `origin`: what they were drawn from; `marks`: a sentence on what
    the tokenizer puts at their beginning and end."""

    sequences: int
    tokens: int
    origin: str
    marks: str
