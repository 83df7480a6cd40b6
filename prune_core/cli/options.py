"""Options shared by several commands."""

from typing import Annotated

import typer

from prune_core.schema.fit import NETWORKS
from prune_core.schema.inputs import Dtype

Model = Annotated[str, typer.Argument(help="Local folder, hub id, or 'demo' for the model that ships here.")]
Layers = Annotated[str, typer.Option("--drop", help="Layers to drop, ranges inclusive: '9-12' or '3,9-12'.")]
Attention = Annotated[str, typer.Option("--drop-attention", help="Layers that lose only their attention.")]
MLPs = Annotated[str, typer.Option("--drop-mlp", help="Layers that lose only their MLP.")]
Replaced = Annotated[str, typer.Option("--replace", help="Blocks to replace, inclusive: '9-12' or '3-5,9-12'.")]
By = Annotated[str, typer.Option(help=f"What to replace them with: {', '.join(n.name for n in NETWORKS)}.")]
Device = Annotated[str, typer.Option(help="cuda, mps, cpu, or auto.")]
Precision = Annotated[Dtype, typer.Option(help="Precision of the weights in memory.")]


def listed(text: str) -> tuple[str, ...]:
    """The names in "one, two"."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))
