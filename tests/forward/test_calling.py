"""Calling a model: the last logits are those of the whole, and the words say on what they were computed."""

import pytest
import torch

from prune_core.forward.calling import tail_logits, where
from tests.fixtures.tiny import FAMILIES, tiny_ids, tiny_model


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_logits_are_those_of_the_whole(family: str) -> None:
    model, ids = tiny_model(family, 3), tiny_ids(2, 12)
    whole = model(input_ids=ids, use_cache=False).logits
    for keep in (1, 5, 12):
        found, cache = tail_logits(model, ids, keep, use_cache=False)
        torch.testing.assert_close(found, whole[:, -keep:], rtol=1e-5, atol=1e-5)
        assert cache is None
    first, cache = tail_logits(model, ids[:, :-1], 1, use_cache=True)
    last, _ = tail_logits(model, ids[:, -1:], 1, use_cache=True, past_key_values=cache)
    torch.testing.assert_close(torch.cat([first, last], 1), whole[:, -2:], rtol=1e-4, atol=1e-4)


def test_the_place_and_the_precision_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama", 1)
    for threads, words in ((1, "1 thread"), (3, "3 threads")):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert where(model) == f"float32 on cpu, {words}"
    assert where(model.to(torch.bfloat16)).startswith("bfloat16 on cpu")
