"""Conversations, laid out by the tokenizer's own chat template."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas
import pytest

from prune_core.data.calibration import what_is_drawn
from prune_core.data.conversations import open_conversations
from prune_core.data.documents import load_documents
from prune_core.data.layouts import draw
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration
from tests.fixtures.tiny import tiny_tokenizer

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}"
    "{% endif %}[{{ m['role'] }}]{{ m['content'] }}{{ eos_token }}{% endfor %}"
)
ALPACA = [
    {"instruction": "Add.", "input": "1 2", "output": "3"},
    {"instruction": "Greet.", "input": "", "output": "Hi"},
]


@pytest.fixture
def tokenizer() -> Any:
    made = tiny_tokenizer()
    made.chat_template = TEMPLATE
    return made


def written(path: Path, rows: list[dict]) -> Calibration:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return Calibration(str(path), chat=True, samples=9, seq_len=200)


def spoken(tokenizer: Any, turns: list[tuple[str, str]]) -> list[int]:
    """The template's layout by hand: <s> is 1, </s> is 2."""
    ids = [1]
    for role, words in turns:
        ids += [*tokenizer(f"[{role}]{words}", add_special_tokens=False)["input_ids"], 2]
    return ids


def test_columns_become_conversations_in_the_tokenizers_template(tmp_path: Path, tokenizer: Any) -> None:
    by_hand = [
        spoken(tokenizer, [("user", "Add.\n\n1 2"), ("assistant", "3")]),
        spoken(tokenizer, [("user", "Greet."), ("assistant", "Hi")]),
    ]
    messages = [[{"role": "user", "content": "Greet."}, {"role": "assistant", "content": "Hi"}]]
    shared = [[{"from": "human", "value": "Greet."}, {"from": "gpt", "value": "Hi"}]]
    alpaca = written(tmp_path / "a.jsonl", ALPACA)
    assert sorted(draw(alpaca, tokenizer).sequences) == sorted(by_hand)
    for column, turns in (("messages", messages), ("conversations", shared), ("dialog", messages)):
        asked = replace(written(tmp_path / "m.jsonl", [{column: turns[0], "id": 1}]), column=column)
        assert draw(asked, tokenizer).sequences == by_hand[1:]
    pandas.DataFrame(ALPACA).to_csv(tmp_path / "a.csv", index=False)
    pandas.DataFrame(ALPACA).to_parquet(tmp_path / "a.parquet")
    pandas.DataFrame({"messages": messages}).to_parquet(tmp_path / "m.parquet")
    for name, expected in (("a.csv", by_hand), ("a.parquet", by_hand), ("m.parquet", by_hand[1:])):
        found = draw(replace(alpaca, source=str(tmp_path / name)), tokenizer).sequences
        assert sorted(found) == sorted(expected), name
    assert "laid out by the tokenizer's chat template" in what_is_drawn(alpaca, tokenizer).marks


def test_conversations_are_laid_out_in_the_order_of_the_file(tmp_path: Path, tokenizer: Any) -> None:
    found = open_conversations(written(tmp_path / "a.jsonl", ALPACA), tokenizer)
    assert list(found.texts) == ["<s>[user]Add.\n\n1 2</s>[assistant]3</s>", "<s>[user]Greet.</s>[assistant]Hi</s>"]
    assert "a.jsonl" in found.where and not found.streamed


def test_packed_conversations_begin_with_one_mark_a_piece(tmp_path: Path, tokenizer: Any) -> None:
    asked = replace(written(tmp_path / "a.jsonl", ALPACA), layout="packed", seq_len=8)
    texts = [[("user", "Add.\n\n1 2"), ("assistant", "3")], [("user", "Greet."), ("assistant", "Hi")]]
    joined = [token for turns in texts for token in spoken(tokenizer, turns)[1:]]
    by_hand = [[1, *joined[n : n + 7]] for n in range(0, len(joined) - 6, 7)]
    assert sorted(draw(asked, tokenizer).sequences) == sorted(by_hand)


def test_without_the_template_a_column_is_text_like_any_other(tmp_path: Path) -> None:
    source = written(tmp_path / "a.jsonl", ALPACA).source
    assert load_documents(source, column="output") == ["3", "Hi"]


def test_what_cannot_be_laid_out_is_told(tmp_path: Path, tokenizer: Any) -> None:
    asked = written(tmp_path / "a.jsonl", ALPACA)

    def told(calibration: Calibration, using: Any = tokenizer) -> str:
        with pytest.raises(UserError) as caught:
            draw(calibration, using)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "has no chat template: choose an instruction-tuned model" in told(asked, tiny_tokenizer())
    assert "has no columns of conversations" in told(written(tmp_path / "b.jsonl", [{"body": "x", "title": "y"}]))
    assert "it has body, title" in told(written(tmp_path / "b.jsonl", [{"body": "x", "title": "y"}]))
    pandas.DataFrame({"body": ["x"]}).to_csv(tmp_path / "b.csv", index=False)
    assert "no columns of conversations" in told(replace(asked, source=str(tmp_path / "b.csv")))
    assert "str values where lists of messages" in told(written(tmp_path / "b.jsonl", [{"messages": "x"}]))
    assert "a message without role and content" in told(written(tmp_path / "b.jsonl", [{"messages": [{"role": "u"}]}]))
    system = [{"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]}]
    assert "(system, user): no system role" in told(written(tmp_path / "b.jsonl", system))
    (tmp_path / "t.txt").write_text("words")
    assert "has no columns, so no conversations" in told(replace(asked, source=str(tmp_path / "t.txt")))
    assert "demo text holds no conversations" in told(Calibration(chat=True))
