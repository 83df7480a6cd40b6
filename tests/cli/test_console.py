"""Tables on standard output: whole plain lines into a pipe, folded for a terminal, and never read as markup."""

import io

from prune_core.cli.console import print_table, visible

ROWS = [("run-1", "[red]a name[/red] :smile: \x1b[31m", "1.5"), ("run-2", "long words " * 40, "20.25")]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_a_line_a_row_whole_and_without_codes(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    print_table(ROWS, ("id", "what", "loss, nats/token"), {2})
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "what", "loss,", "nats/token"]
    assert first.startswith("run-1  [red]a name[/red] :smile: \\x1b[31m ") and first.endswith(" 1.5")
    assert ROWS[1][1].strip() in second and second.endswith(" 20.25")
    assert len(head) == len(first) == len(second), "numbers end in one column"


def test_without_heads_there_are_none_and_without_rows_there_is_nothing(capsys):
    print_table([])
    print_table([], ("a", "b"))
    assert capsys.readouterr().out == ""
    print_table([("a", "b "), ("c", "")])
    assert capsys.readouterr().out == "a  b\nc\n"


def test_a_terminal_gets_all_of_it_within_its_width(monkeypatch):
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    print_table(ROWS, ("id", "what", "loss, nats/token"), {2})
    plain = screen.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x1b" not in plain, "bold heads, and nothing from inside a cell"
    assert plain != screen.getvalue()
    assert all(len(line) <= 60 for line in plain.splitlines())
    assert plain.count("long") == plain.count("words") == 40 and "…" not in plain
    assert "[red]a name[/red]" in plain and ":smile:" in plain


def test_control_characters_are_seen_and_letters_stay():
    assert visible("a\nb\tc\x07\x1b[2J\x9b1m") == "a b c\\x07\\x1b[2J\\x9b1m"
    assert visible("Ä ± ★ 漢 e\u0301 🙂") == "Ä ± ★ 漢 e\u0301 🙂"
