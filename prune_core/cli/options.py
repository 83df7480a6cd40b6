"""The options that several commands share."""

from typing import Annotated

import typer

from prune_core.schema.fit import NETWORKS
from prune_core.schema.inputs import Dtype

Model = Annotated[str, typer.Argument(help="Local folder, hub id, or 'demo' for the model that ships here.")]
Layers = Annotated[str, typer.Option("--drop", help="Layers to drop, both ends meant: '9-12' or '3,9-12'.")]
Attention = Annotated[str, typer.Option("--drop-attention", help="Layers that lose their attention alone.")]
MLPs = Annotated[str, typer.Option("--drop-mlp", help="Layers that lose their MLP alone.")]
Replaced = Annotated[str, typer.Option("--replace", help="Blocks to replace, both ends meant: '9-12' or '3-5,9-12'.")]
By = Annotated[str, typer.Option(help=f"What replaces them: {', '.join(n.name for n in NETWORKS)}.")]
Device = Annotated[str, typer.Option(help="cuda, mps, cpu, or auto.")]
Precision = Annotated[Dtype, typer.Option(help="How weights are held in memory.")]


def listed(text: str) -> tuple[str, ...]:
    """The names in "one, two"."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))
