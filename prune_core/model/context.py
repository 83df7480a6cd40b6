"""How many tokens a sequence may have, from the config alone."""

from transformers import PretrainedConfig

FIELDS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")
"""What families call it; transformers maps most of their names onto the first."""


def context_limit(config: PretrainedConfig) -> int | None:
    """The most tokens a sequence may have, None where the config names no limit (ALiBi, recurrent families)."""
    text = config.get_text_config()
    found = (getattr(text, name, None) for name in FIELDS)
    return next((limit for limit in found if isinstance(limit, int) and limit > 0), None)
