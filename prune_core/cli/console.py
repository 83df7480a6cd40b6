"""How tables are printed: drawn for a terminal's width, elsewhere one plain line a row, whole, for grep and files."""

import sys
import unicodedata
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

ENDLESS = 100_000
"""The width, in columns, of what is no terminal: no cell is ever cut or wrapped there."""


def print_table(rows: Iterable[Sequence[str]], heads: Sequence[str] = (), right: Iterable[int] = ()) -> None:
    """Print `rows` on standard output under `heads`; the columns `right` are set flush right. Nothing for no rows.

    Whatever is in a cell is shown as it is: no markup, no emoji codes, no control characters.
    """
    rows = list(rows)
    if not rows:
        return
    on_terminal, right = sys.stdout.isatty(), set(right)
    table = Table(
        box=box.SIMPLE_HEAD if on_terminal and heads else None,
        show_header=bool(heads),
        show_edge=False,
        pad_edge=False,
    )
    for column in range(len(rows[0])):
        head = Text(visible(heads[column])) if heads else ""
        table.add_column(head, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    if on_terminal:
        Console(file=sys.stdout, force_terminal=True).print(table)
        return
    plain = Console(file=sys.stdout, force_terminal=False, color_system=None, width=ENDLESS)
    with plain.capture() as captured:
        plain.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def visible(text: str) -> str:
    """`text` on one line, its control characters (which could recolour or clear a terminal) as codes like \\x1b."""
    return "".join(_shown(sign) for sign in text)


def _shown(sign: str) -> str:
    if sign in "\n\t":
        return " "
    return sign.encode("unicode_escape").decode() if unicodedata.category(sign) == "Cc" else sign
