"""Publications as links."""

import re


def linked(source: str) -> str:
    """Markdown of `source` in which each arXiv id, "arXiv 2402.11187", is a link."""
    return re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", source)
