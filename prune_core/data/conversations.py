"""Conversations: rows with a user's words and a model's answer, laid out by the tokenizer's own chat template."""

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from prune_core.data.documents import Documents
from prune_core.data.rows import open_rows
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration

LISTS = ("messages", "conversations")
"""Columns that hold a conversation as a list: of {role, content}, or of {from, value} as ShareGPT has it."""
PAIRS = (("instruction", "output"), ("instruction", "response"), ("prompt", "response"), ("prompt", "completion"))
"""Columns that hold what was asked and what was answered, as in Alpaca and its like."""
MORE = "input"
"""Alpaca's column for what an instruction is about; often empty."""
ROLES = {"human": "user", "gpt": "assistant"}


def open_conversations(calibration: Calibration, tokenizer: Any) -> Documents:
    """Every row as the tokenizer's chat template lays it out, special tokens written out.

    Columns: `calibration.column` where it holds lists of messages, else "messages" or "conversations", else
    "instruction" (with "input" where there is one) and "output" or the like. UserError where the tokenizer has no
    template, where it refuses a conversation, and where the columns are not there.
    """
    source = calibration.source
    if source == "demo":
        raise UserError("The demo text holds no conversations: clear the chat template, or give a text of your own.")
    if not getattr(tokenizer, "chat_template", None):
        raise UserError(
            "The tokenizer has no chat template: choose an instruction-tuned model, or clear the chat template."
        )
    found = open_rows(source, calibration.subset, calibration.split, lambda there: _columns(calibration, there, source))
    texts = (_laid_out(_messages(row, calibration, found.where), tokenizer, found.where) for row in found.rows)
    return Documents(texts, found.where, found.streamed)


def _columns(calibration: Calibration, there: Sequence[str], where: str) -> list[str]:
    """The columns that hold the conversation; UserError where none do."""
    named = calibration.column
    own = [] if named == Calibration.column or any(named in pair for pair in PAIRS) else [named]
    for name in (*own, *LISTS):
        if name in there:
            return [name]
    for asked, answered in PAIRS:
        if asked in there and answered in there:
            return [asked, *([MORE] if MORE in there else []), answered]
    raise UserError(
        f"{where} has no columns of conversations, such as messages, or instruction and output: it has "
        f"{', '.join(map(str, there)) or 'none'}; clear the chat template, or name the column of messages."
    )


def _messages(row: Any, calibration: Calibration, where: str) -> list[dict[str, str]]:
    """The conversation of one row as {role, content}."""
    if not isinstance(row, dict):
        raise UserError(f"{where} has no columns, so no conversations: clear the chat template.")
    names = _columns(calibration, list(row), where)
    if len(names) > 1:
        *asked, answer = (str(row[name] or "").strip() for name in names)
        words = "\n\n".join(filter(None, asked))
        return [{"role": "user", "content": words}, {"role": "assistant", "content": answer}]
    turns = row[names[0]]
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        kind = type(turns).__name__
        raise UserError(f"{where} holds {kind} values where lists of messages were expected in {names[0]!r}.")
    return [_turn(turn, where) for turn in turns]


def _turn(turn: dict[str, Any], where: str) -> dict[str, str]:
    role, words = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
    if not isinstance(role, str) or not isinstance(words, str):
        raise UserError(f"{where} has a message without role and content: each needs both, as text.")
    return {"role": ROLES.get(role, role), "content": words}


def _laid_out(messages: list[dict[str, str]], tokenizer: Any, where: str) -> str:
    if not messages:
        return ""
    try:
        return tokenizer.apply_chat_template(messages, tokenize=False)
    except (TemplateError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        roles = ", ".join(turn["role"] for turn in messages)
        raise UserError(f"The chat template refuses a conversation of {where} ({roles}): {reason}") from error
