"""Commands run in this process."""

from typer.testing import CliRunner

from prune_core.__main__ import app


def output(*words: str) -> str:
    """What the command prints on standard output; it must succeed."""
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout
