"""What is said of two continuations, by hand."""

import math

from prune_core.schema.continuations import Departure, TextPair, Token, departure_words, mean_kl, same_top_share

TOKENS = tuple(Token("a", 0.5, 0.4, "a", top, top == "a", kl) for top, kl in (("a", 0.1), ("b", 0.5), ("a", 0.3)))


def test_shares_and_means_are_over_the_donors_tokens() -> None:
    pair = TextPair("", tokens=TOKENS)
    assert same_top_share(pair) == 2 / 3 and math.isclose(mean_kl(pair), 0.3)
    assert math.isnan(same_top_share(TextPair(""))) and math.isnan(mean_kl(TextPair("")))


def test_a_departure_counts_from_one_and_an_empty_token_is_the_end() -> None:
    assert departure_words(TextPair("", departure=Departure(13, " mill", ""))) == (
        "diverges at token 14: donor ' mill', pruned ends"
    )
    assert departure_words(TextPair("", tokens=TOKENS[:1])) == "reproduces the donor's text token for token (1 token)"
    assert departure_words(TextPair("", tokens=TOKENS)).endswith("(3 tokens)")
