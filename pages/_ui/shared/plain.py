"""Text of a user's or a model's inside our Markdown."""


def plain(text: str) -> str:
    """`text` with Markdown's signs taken literally, one paragraph."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>()#+-.!|~$:" else c for c in text.replace("\n", " "))
