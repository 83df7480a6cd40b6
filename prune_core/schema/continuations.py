"""What donor and pruned model write after the same prompt, and where the pruned one diverges. No torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Token:
    """One token of the donor's text as both models see it there: after the same prompt and the same preceding tokens.

    `donor`, `pruned`: the probability each assigns it, at temperature 1; `donor_top`, `pruned_top`: each model's most
    likely token, `agrees` whether they are the same; `kl`: KL(donor || pruned) of the whole prediction, in nats.
    """

    text: str
    donor: float
    pruned: float
    donor_top: str
    pruned_top: str
    agrees: bool
    kl: float


@dataclass(frozen=True)
class Departure:
    """The first token (0 is the first new one) at which the two texts differ. An empty token means the text ends."""

    at: int
    donor: str
    pruned: str


@dataclass(frozen=True)
class TextPair:
    """One prompt with both continuations. `departure` is None while unknown, and where the texts are the same.

    `shared`: how many characters both share at the start, up to the departure; `tokens`: the donor's, empty until
    `finished`.
    """

    prompt: str
    donor: str = ""
    pruned: str = ""
    shared: int = 0
    departure: Departure | None = None
    tokens: tuple[Token, ...] = ()
    finished: bool = False


@dataclass(frozen=True)
class Texts:
    """All prompts of one job, in order; those not reached yet are missing. `cached`: the pruned model's text was
    generated with the KV cache, by a built checkpoint."""

    pairs: tuple[TextPair, ...]
    cached: bool
    seconds: float = 0.0


def same_top_share(pair: TextPair) -> float:
    """The share of the donor's tokens at which both models agree on the most likely token; NaN without tokens."""
    return sum(token.agrees for token in pair.tokens) / len(pair.tokens) if pair.tokens else float("nan")


def mean_kl(pair: TextPair) -> float:
    """Mean KL(donor || pruned) in nats per token over the donor's text; NaN without tokens."""
    return sum(token.kl for token in pair.tokens) / len(pair.tokens) if pair.tokens else float("nan")


def departure_words(pair: TextPair) -> str:
    """ "diverges at token 14: donor ' mill', pruned ' river'"; tokens are counted from 1."""
    if pair.departure is None:
        count = len(pair.tokens)
        return f"reproduces the donor's text token for token ({count} token{'s' if count != 1 else ''})"
    donor, pruned = (repr(token) if token else "ends" for token in (pair.departure.donor, pair.departure.pruned))
    return f"diverges at token {pair.departure.at + 1}: donor {donor}, pruned {pruned}"
