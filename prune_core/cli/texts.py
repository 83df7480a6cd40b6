"""The calibration text on the command line: its options, once for all commands that take a text."""

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, get_type_hints

import typer

from prune_core.cli.asking import answer
from prune_core.pipeline.specs import DrawSpec
from prune_core.schema.drawn import Drawn
from prune_core.schema.inputs import Calibration, Joint, Layout, ModelRef
from prune_core.schema.presets import CALIBRATION_PRESETS, with_calibration
from prune_core.schema.wording import text_name, too_little

PRESETS = ", ".join(preset.name for preset in CALIBRATION_PRESETS)
DEFAULT = Calibration()


def calibration(
    text: Annotated[
        str, typer.Option(help="Calibration text: a .txt, .jsonl, .json, .csv or .parquet file, a dataset, or 'demo'.")
    ] = DEFAULT.source,
    column: Annotated[
        str | None, typer.Option(help="The column that holds the text, where there are columns; else 'text'.")
    ] = None,
    text_subset: Annotated[str | None, typer.Option(help="The text's subset, where it is a dataset.")] = None,
    text_split: Annotated[
        str | None, typer.Option(help="The text's split, where it is a dataset; else 'train'.")
    ] = None,
    calibration_preset: Annotated[
        str,
        typer.Option(help=f"Text as in a paper, by name: {PRESETS}. With --text it sets the shape only."),
    ] = "",
    layout: Annotated[
        Layout | None,
        typer.Option(
            help="packed: joined and cut into pieces of equal length. documents: one document a sequence. spans: from "
            "anywhere in long documents. auto: documents for lists of them, else packed."
        ),
    ] = None,
    joined_by: Annotated[Joint | None, typer.Option(help="What stands between documents that are packed.")] = None,
    chat: Annotated[
        bool | None, typer.Option("--chat", help="Rows are conversations: lay them out by the model's chat template.")
    ] = None,
    samples: Annotated[int | None, typer.Option(help=f"How many sequences to draw; else {DEFAULT.samples}.")] = None,
    seq_len: Annotated[int | None, typer.Option(help=f"Tokens of each, at most; else {DEFAULT.seq_len}.")] = None,
    seed: Annotated[int | None, typer.Option(help=f"Seed of the draw; else {DEFAULT.seed}.")] = None,
) -> Calibration:
    """The calibration text that the options name: the preset's settings where one is named, else the usual ones, and
    what is given by itself before either."""
    chosen = replace(DEFAULT, source=text)
    if calibration_preset:
        chosen = with_calibration(chosen, calibration_preset)
    given = {
        "column": column,
        "subset": text_subset,
        "split": text_split,
        "layout": layout,
        "joined_by": joined_by,
        "chat": chat,
        "samples": samples,
        "seq_len": seq_len,
        "seed": seed,
    }
    return replace(chosen, **{name: value for name, value in given.items() if value is not None})


def takes_a_text(command: Callable[..., Any]) -> Callable[..., Any]:
    """`command` with the options of `calibration` in place of its parameter `text`, which gets what they name."""
    mine, theirs = inspect.signature(command), inspect.signature(calibration)
    parameters = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[each.name])
        for signature, hints in ((mine, _hints(command)), (theirs, _hints(calibration)))
        for each in signature.parameters.values()
        if signature is theirs or each.name != "text"
    ]

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        text = calibration(**{name: given.pop(name) for name in theirs.parameters})
        return command(**given, text=text)

    run.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def looked_at(ref: ModelRef, text: Calibration) -> Drawn:
    """How much the text gives; where that is too little, standard error says so before anything is measured."""
    drawn = answer(Drawn, DrawSpec(ref, text))
    warning = too_little(text, drawn.sequences, drawn.tokens)
    if warning:
        print(f"{text_name(text)}. {warning}", file=sys.stderr)
    return drawn


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(function, include_extras=True)
