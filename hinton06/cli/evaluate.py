"""``hinton06 evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import measuring
from hinton06.cli.display import Display
from hinton06.cli.options import make_context, measuring_options
from hinton06.report import methods as report
from hinton06.report import scores

ALL = "all"


@click.command()
@click.option(
    "--method", "names", multiple=True, type=click.Choice([*measuring.METHODS, ALL]),
    help="How a generative net is asked for the label: exact free energy after a deterministic "
    "up-pass, after one stochastic up-pass, averaged over --passes of them; Gibbs sampling of "
    "the label units; or annealed importance sampling of the probabilities of generating the "
    "image with each label. Several times for several, all for all. A classifier has its "
    "softmax alone.  [default: free-energy]",
)  # fmt: skip
@click.option("--passes", type=click.IntRange(1, 10_000), show_default="20",
              help="Up-passes an image of stochastic-mean and of sampling.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1, 100_000), show_default="200",
              help="Gibbs rounds of label-gibbs, the first half not counted.")  # fmt: skip
@click.option(
    "--temperatures", type=click.IntRange(0, 100_000), show_default="10",
    help="Distributions of sampling between those of the up-pass and of the generative model; "
    "0 only weighs the up-passes.",
)  # fmt: skip
@click.option("--part", "parts", multiple=True, type=click.Choice(measuring.PARTS),
              help="Measure only these cases. May be given again.")  # fmt: skip
@click.option("--cases", type=click.IntRange(min=1), metavar="N",
              help="Measure only N cases of each part, drawn with --seed.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), show_default="0",
              help="Seed of the methods that sample and of --cases.")  # fmt: skip
@click.option(
    "--save", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="Also write methods.md, methods.csv and methods.json there.",
)  # fmt: skip
@measuring_options
def evaluate(
    checkpoints: tuple[Path, ...],
    names: tuple[str, ...],
    parts: tuple[str, ...],
    cases: int | None,
    save: Path | None,
    confusion: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Cost and errors of nets on their training, validation and test cases.

    Takes fine-tuned classifiers and generative nets, and stacks that learned labels.
    """
    values = {key: options[key] for key in ("passes", "rounds", "temperatures", "seed")}
    methods = _methods(names, values, cases is not None)
    chosen = measuring.Chosen(parts, cases, values["seed"] or 0)
    count = len(checkpoints) * max(1, len(methods))
    context = make_context(options, Display(options["quiet"], parts=count))
    results = measuring.evaluate(context, checkpoints, methods, chosen)
    if save is not None:
        report.save(results, chosen, options["threads"], save)
    scores.show(results, as_json, results if confusion else [], chosen)


def _methods(
    names: tuple[str, ...], values: dict[str, int | None], drawn: bool
) -> list[measuring.Method]:
    """The methods that were asked for; refuses a value that none of them makes use of."""
    wanted = list(measuring.METHODS) if ALL in names else list(dict.fromkeys(names))
    used = {key for name in wanted for key in measuring.METHODS[name]}
    if drawn:
        used.add("seed")
    given = {key: value for key, value in values.items() if value is not None}
    for key in given:
        if key not in used:
            users = [name for name, uses in measuring.METHODS.items() if key in uses]
            also = ", or --cases" if key == "seed" else ""
            raise click.UsageError(f"--{key} goes with --method {' or '.join(users)}{also}")
    return [measuring.Method(name, **given) for name in wanted]
