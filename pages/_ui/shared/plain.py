"""A user's or a model's text inside our Markdown."""


def plain(text: str) -> str:
    """`text` as one paragraph, with Markdown's special characters escaped."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>()#+-.!|~$:" else c for c in text.replace("\n", " "))
