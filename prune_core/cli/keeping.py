"""Stored runs: list, show, name, tag, delete and restore, compare, export."""

from pathlib import Path
from typing import Annotated

import typer

from prune_core.cli import run_tables
from prune_core.cli.console import visible
from prune_core.pipeline.house import open_store
from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.wording import counted, describe
from prune_core.store import catalogue, side_by_side, trash
from prune_core.store.catalogue import About
from prune_core.store.files import write_text

app = typer.Typer(invoke_without_command=True, help="List and manage stored runs.")

Ids = Annotated[list[str], typer.Argument(help="Run ids, as listed by `runs`.")]
Id = Annotated[str, typer.Argument(help="A run id, as listed by `runs`.")]
Text = Annotated[str, typer.Option("--filter", help="Only runs with these words in name, plan, model, notes or id.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Only runs with this tag; repeatable.")]
States = Annotated[list[str] | None, typer.Option("--state", help="Only runs in this state: done, interrupted, ...")]


@app.callback()
def runs(context: typer.Context, text: Text = "", tag: Tags = None, state: States = None) -> None:
    """List the runs, newest first; `runs COMMAND` manages them."""
    if context.invoked_subcommand is None:
        store = open_store()
        there = catalogue.entries(store)
        if not there:
            print(f"No runs in {store.home} yet: write a recipe with `layerscope recipe`, then `layerscope run` it.")
        run_tables.show_runs(catalogue.matching(there, text, tuple(tag or ()), states=tuple(state or ())))


@app.command()
def show(run_id: Id) -> None:
    """Show a run's metrics before and after, how it was made, and your notes."""
    store = open_store()
    run = catalogue.entry(store, run_id)
    run_tables.show_runs([run])
    print(f"created {run.made}, chosen {run.method}")
    for line in run.about.notes.splitlines():
        print(visible(line))
    if run.state != "done":
        raise UserError(run.reason or f"Run {run_id} has no results yet: it is {run.state}.")
    spec, result = catalogue.finished(store, run_id)
    print(f"\n{describe(spec.plan)}\n")
    run_tables.show_comparison(result)


@app.command()
def rename(run_id: Id, name: Annotated[str, typer.Argument(help="The new name; '' for none.")]) -> None:
    """Give a run a name."""
    _say(run_id, name=name)


@app.command()
def tag(
    run_ids: Ids,
    add: Annotated[list[str] | None, typer.Option(help="A tag to add; repeatable.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A tag to remove; repeatable.")] = None,
) -> None:
    """Add tags to runs, or remove them."""
    for run_id in run_ids:
        before = catalogue.entry(open_store(), run_id).about.tags
        _say(run_id, tags=tuple(each for each in (*before, *(add or ())) if each not in (remove or ())))


@app.command()
def note(run_id: Id, text: Annotated[str, typer.Argument(help="The note; it replaces the old one.")]) -> None:
    """Set a run's note."""
    _say(run_id, notes=text)


@app.command()
def delete(run_ids: Ids) -> None:
    """Move runs to the trash; `runs restore` brings them back."""
    for run_id in run_ids:
        trash.delete(open_store(), run_id)
        print(f"Moved {run_id} to the trash. Restore it with: layerscope runs restore {run_id}")


@app.command()
def restore(
    run_ids: Annotated[list[str] | None, typer.Argument(help="Run ids; without any, lists the trash.")] = None,
) -> None:
    """Restore runs from the trash, or list it."""
    store = open_store()
    for run_id in run_ids or ():
        trash.restore(store, run_id)
        print(f"Restored {run_id}.")
    if not run_ids:
        run_tables.show_runs(trash.deleted(store))


@app.command("empty-trash")
def empty_trash(
    yes: Annotated[bool, typer.Option("--yes", help="Really delete; else only count them.")] = False,
) -> None:
    """Permanently delete the runs in the trash, including their checkpoints."""
    store = open_store()
    there = trash.deleted(store)
    if not yes:
        print(f"The trash holds {counted(len(there), 'run')}. Add --yes to delete permanently.")
        return
    print(f"Permanently deleted {counted(trash.empty(store), 'run')}.")


@app.command()
def compare(
    run_ids: Ids, csv: Annotated[Path | None, typer.Option(help="Also write the table as CSV to this file.")] = None
) -> None:
    """Show 2 to 8 runs side by side, with the best of each row marked."""
    store = open_store()
    chosen = list(dict.fromkeys(run_ids))
    side_by_side.check_count(len(chosen))
    results = [(f"[{i}]", catalogue.finished(store, run_id)[1]) for i, run_id in enumerate(chosen, start=1)]
    run_tables.show_numbered(
        [(heading, catalogue.entry(store, run_id)) for (heading, _), run_id in zip(results, chosen, strict=True)]
    )
    table = side_by_side.beside(results)
    print()
    run_tables.show_side_by_side(table)
    if csv is not None:
        write_text(csv, side_by_side.comparison_csv(table))


@app.command()
def export(
    run_ids: Annotated[list[str] | None, typer.Argument(help="Run ids; without any, all runs.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the runs' key figures as CSV to this file.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="Write the recipe of a single run to this file.")] = None,
) -> None:
    """Export runs: their key figures as CSV, or one run's recipe."""
    store = open_store()
    if csv is None and recipe is None:
        raise UserError("Nothing to write: give --csv FILE or --recipe FILE.")
    chosen = [catalogue.entry(store, run_id) for run_id in run_ids] if run_ids else catalogue.entries(store)
    if csv is not None:
        write_text(csv, side_by_side.table_csv(chosen))
        print(f"Wrote {csv}: {counted(len(chosen), 'run')}.")
    if recipe is not None:
        if len(chosen) != 1:
            raise UserError(f"A recipe belongs to one run, not to {len(chosen)}: give one id.")
        write_text(recipe, serial.dumps(store.spec(chosen[0].id)))
        print(f"Wrote {recipe}. Run it with: layerscope run {recipe}")


def _say(run_id: str, **changes) -> None:
    store = open_store()
    about = catalogue.entry(store, run_id).about
    catalogue.say(store, run_id, About(**vars(about) | changes))
    run_tables.show_runs([catalogue.entry(store, run_id)])
