"""Where the pruned model departs from the donor's text, against a plain loop."""

import numpy as np
import pytest
import torch

from prune_core.cut.preview import planned
from prune_core.evaluate.departure import first_departure, log_probabilities, scored_tokens
from prune_core.evaluate.generate import new_text
from prune_core.schema.continuations import Departure, TextPair, departure_words, mean_kl, same_top_share
from prune_core.schema.plan import drop_plan
from tests.fixtures.tiny import tiny_ids, tiny_model, tiny_tokenizer

LAYERS, NEW = 4, 21


def name(tokenizer, token: int) -> str:
    """A token as it is told: the tiny models have more tokens than their tokenizer has words."""
    return tokenizer.decode([token]) or f"<{token}>"


def test_the_departure_is_where_a_plain_loop_finds_it():
    """Greedy: the first token of the donor's text that the pruned model, shown the donor's tokens, would not take."""
    model, tokenizer, ids = tiny_model("llama", 6), tiny_tokenizer(), tiny_ids(1, 5)[0].tolist()
    ours = [token for _, token in zip(range(NEW), new_text(model, tokenizer, ids, 0.0, 0), strict=False)]
    places = set()
    for layer in range(6):
        with planned(model, drop_plan(6, [layer])):
            theirs = [t for _, t in zip(range(NEW), new_text(model, tokenizer, ids, 0.0, 0, False), strict=False)]
            expected = None
            for place, token in enumerate(ours):
                seen = torch.tensor([ids + ours[:place]])
                if int(model(seen, use_cache=False).logits[0, -1].argmax()) != token:
                    expected = place
                    break
        found = first_departure(tokenizer, ids, ours, theirs)
        assert (found.at if found else None) == expected
        if found:
            assert (found.donor, found.pruned) == tuple(name(tokenizer, t[found.at]) for t in (ours, theirs))
        places.add(expected)
    assert len(places) > 1


def test_a_text_that_ends_early_departs_there():
    tokenizer = tiny_tokenizer()
    a, b, c = (tokenizer.convert_tokens_to_ids(letter) for letter in "abc")
    assert first_departure(tokenizer, [a], [b, c], [b]) == Departure(1, "c", "")
    assert first_departure(tokenizer, [a], [], [b]) == Departure(0, "", "b")
    assert first_departure(tokenizer, [a], [b, c], [b, c]) is None
    assert (
        departure_words(TextPair("", departure=Departure(1, "c", ""))) == "diverges at token 2: donor 'c', pruned ends"
    )
    assert departure_words(TextPair("")) == "reproduces the donor's text token for token (0 tokens)"


def test_tokens_are_scored_by_both_models_as_one_by_one():
    model, other, tokenizer = tiny_model("llama", 3), tiny_model("llama", 3, seed=1), tiny_tokenizer()
    ids, written = tiny_ids(1, 5)[0].tolist(), tiny_ids(1, 7, seed=2)[0].tolist()
    scored = scored_tokens(
        tokenizer, ids, written, *(log_probabilities(which, ids, written) for which in (model, other))
    )
    assert len(scored) == len(written)
    for place, token in enumerate(scored):
        seen = torch.tensor([ids + written[:place]])
        p, q = (which(seen).logits[0, -1].double().softmax(-1) for which in (model, other))
        assert token.donor == pytest.approx(float(p[written[place]]), rel=1e-4)
        assert token.pruned == pytest.approx(float(q[written[place]]), rel=1e-4)
        assert token.kl == pytest.approx(float((p * (p / q).log()).sum()), rel=1e-3, abs=1e-6)
        assert token.agrees == (int(p.argmax()) == int(q.argmax()))
        assert token.text == name(tokenizer, written[place])
        assert token.donor_top == name(tokenizer, int(p.argmax()))
    pair = TextPair("", tokens=scored)
    assert same_top_share(pair) == np.mean([token.agrees for token in scored])
    assert mean_kl(pair) == pytest.approx(np.mean([token.kl for token in scored]))
    assert scored_tokens(tokenizer, ids, [], *(log_probabilities(model, ids, []),) * 2) == ()
