"""See which layers of a language model are redundant, cut them, and measure what the cut costs.

Uses the same pipeline and store as the app, so whatever you run here shows up there.
"""

from typing import Annotated

import typer

from prune_core import __version__
from prune_core.cli import choosing, comparing, keeping, looking, running, serving
from prune_core.cli.recipe import recipe
from prune_core.schema.errors import UserError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


def show_version(asked: bool) -> None:
    """Print the version and end, for --version."""
    if asked:
        print(f"LayerScope {__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The options that come before a command."""


app.callback(help=__doc__)(options)
app.command("app")(serving.serve_app)
app.command()(looking.inspect)
app.command("measure")(looking.measure_layers)
app.command()(looking.preview)
app.command()(looking.dropmap)
app.command()(looking.skillmap)
app.command()(choosing.methods)
app.command("plan")(choosing.choose_layers)
app.command()(comparing.compare)
app.command()(recipe)
app.command()(running.run)
app.command()(running.push)
app.command()(running.mergekit)
app.add_typer(keeping.app, name="runs")
app.command("worker", hidden=True)(running.serve_worker)


def main() -> None:
    """Run a command; errors that the user can fix are one line, not a traceback."""
    try:
        app()
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None


if __name__ == "__main__":
    main()
