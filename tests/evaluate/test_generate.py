"""Greedy text: the KV cache changes nothing, it equals transformers' own greedy search, and it never warns."""

import logging
import warnings
from itertools import islice

import pytest
import torch
from transformers import GenerationConfig

from prune_core.evaluate.generate import continuations, greedy
from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.progress import Silent
from tests.fixtures.tiny import CONTEXT, FAMILIES, tiny_ids, tiny_model, tiny_tokenizer

NEW = 11  # prompts of 6 and 11 new tokens go beyond the tiny models' window of 8


def written(model, ids: torch.Tensor, count: int) -> torch.Tensor:
    return torch.stack(list(islice(greedy(model, ids), count)), dim=1)


@pytest.mark.parametrize("family", FAMILIES)
def test_cached_equals_uncached_and_generate(family):
    model, ids = tiny_model(family, layers=4), tiny_ids(2, 6)
    found = written(model, ids, NEW)
    whole = ids
    with torch.no_grad():
        for _ in range(NEW):
            whole = torch.cat([whole, model(whole, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(found, whole[:, 6:])
    config = GenerationConfig(max_new_tokens=NEW, do_sample=False, pad_token_id=0)
    config.eos_token_id = None
    model.generation_config.eos_token_id = None
    theirs = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
    assert torch.equal(found, theirs[:, 6:])


def test_continuations_repeat_and_do_not_depend_on_company():
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    prompts = ("Hello there", "", "A longer prompt than the first")
    together = continuations(model, tokenizer, prompts, NEW)
    assert [c.prompt for c in together] == list(prompts)
    assert together == tuple(continuations(model, tokenizer, (p,), NEW)[0] for p in prompts)
    assert all(0 < len(c.text) <= NEW for c in together)


def test_text_ends_at_an_end_token():
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    ids = torch.tensor([tokenizer("Hello")["input_ids"]])
    tokens = written(model, ids, NEW)[0].tolist()
    model.generation_config.eos_token_id = [tokens[5], 2]
    stop = tokens.index(tokens[5])
    (found,) = continuations(model, tokenizer, ("Hello",), NEW)
    assert found.text == tokenizer.decode(tokens[:stop])


def test_sampling_settings_of_the_checkpoint_do_not_matter():
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    plain = continuations(model, tokenizer, ("Hello",), NEW)
    model.generation_config.do_sample, model.generation_config.temperature = True, 5.0
    model.generation_config.repetition_penalty = 3.0
    assert continuations(model, tokenizer, ("Hello",), NEW) == plain


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_nothing_is_printed(family, capfd, caplog):
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        continuations(tiny_model(family), tiny_tokenizer(), ("Hello",), 4)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_a_prompt_beyond_the_context_is_refused():
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    fits = "x" * (CONTEXT - 5)  # and the begin-of-text token
    assert continuations(model, tokenizer, (fits,), 4)
    with pytest.raises(UserError, match="shorten the prompt or ask for fewer new tokens"):
        continuations(model, tokenizer, ("short", fits), 5)


def test_progress_counts_tokens_and_cancel_works_at_each():
    class StopsAtFive(Silent):
        done = total = 0

        def stage(self, name: str, total: int, unit: str = "steps") -> None:
            self.total = total

        def advance(self, done: int = 1) -> None:
            self.done += done
            if self.done >= 5:
                raise Cancelled

    progress = StopsAtFive()
    with pytest.raises(Cancelled):
        continuations(tiny_model("llama"), tiny_tokenizer(), ("Hello", "There"), NEW, progress)
    assert (progress.done, progress.total) == (5, 2 * NEW)


def test_sampled_text_repeats_with_its_seed_and_only_with_it():
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    first, again, other = (
        continuations(model, tokenizer, ("Hello",), 24, temperature=1.0, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_sampling_near_temperature_0_is_greedy():
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    cold = continuations(model, tokenizer, ("Hello",), NEW, temperature=1e-9)
    assert cold == continuations(model, tokenizer, ("Hello",), NEW)


def test_characters_of_several_tokens_are_given_out_whole():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from prune_core.evaluate.generate import text_so_far

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE({letter: n for n, letter in enumerate(sorted(alphabet))}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    by_bytes = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    text = "naïve 日本 🙂 end"
    tokens = by_bytes(text)["input_ids"]
    pieces = [text_so_far(by_bytes, tokens[:2], tokens[2 : 2 + count]) for count in range(len(tokens) - 1)]
    assert all(text[2:].startswith(piece) for piece in pieces)
    assert pieces[-1] == text[2:] and len(set(pieces)) == len(text) - 1
