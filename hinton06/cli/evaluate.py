"""``hinton06 evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import stages
from hinton06.cli.display import Display
from hinton06.cli.options import make_context, measuring_options, seed_option
from hinton06.report import scores


@click.command()
@click.option(
    "--method", type=click.Choice(list(stages.METHODS)), default="free-energy", show_default=True,
    help="How a generative net is asked for the label: exact free energy after a deterministic "
    "up-pass, after one stochastic up-pass, averaged over --passes of them, or Gibbs sampling of "
    "the label units. A classifier has its softmax.",
)  # fmt: skip
@click.option("--passes", type=click.IntRange(1, 10_000), default=20, show_default=True,
              help="Up-passes of stochastic-mean.")  # fmt: skip
@seed_option
@measuring_options
def evaluate(
    checkpoints: tuple[Path, ...],
    method: str,
    passes: int,
    seed: int,
    confusion: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Cost and errors of nets on their training, validation and test cases.

    Takes fine-tuned classifiers and generative nets, and stacks that learned labels.
    """
    context = make_context(options, Display(options["quiet"], parts=len(checkpoints)))
    how = stages.Method(method, passes, seed)
    results = [e for path in checkpoints for e in stages.evaluate(context, path, how)]
    scores.show(results, as_json, results if confusion else [])
