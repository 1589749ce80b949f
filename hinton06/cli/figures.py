"""``hinton06 figures``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06.cli.display import Display
from hinton06.cli.options import (
    EXISTING_FILE,
    NUMBERS,
    data_option,
    json_option,
    make_context,
    print_json,
    quiet_option,
    seed_option,
    threads_option,
)


@click.command()
@click.argument("checkpoints", nargs=-1, required=True, type=EXISTING_FILE)
@click.option(
    "--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), default="figures",
    show_default=True, help="Folder for the pictures and their numbers.",
)  # fmt: skip
@click.option(
    "--only", type=click.Choice(["2", "3", "5", "curves"]), multiple=True,
    help="Draw this figure only. Can be given several times. Default: all that the files can "
    "give.",
)  # fmt: skip
@click.option("--cases", type=click.IntRange(1, 1000), default=49, show_default=True,
              help="Digits in Figure 2.")  # fmt: skip
@click.option("--features", metavar="N,N-N", type=NUMBERS,
              help="Feature detectors in Figure 3, from 1. Default: random ones.")  # fmt: skip
@click.option("--random-features", type=click.IntRange(1, 10_000), default=100,
              show_default=True, help="How many random ones.")  # fmt: skip
@click.option("--gibbs", type=click.IntRange(1, 10_000_000), default=1000, show_default=True,
              help="Rounds of Gibbs sampling between the samples of Figure 5.")  # fmt: skip
@seed_option
@data_option
@threads_option
@quiet_option
@json_option
def figures(checkpoints: tuple[Path, ...], out: Path, as_json: bool, **options: Any) -> None:
    """Draw the chapter's Figures 2, 3 and 5 and learning curves from files.

    \b
    Figure 2  test digits that a net gets right but is least sure of, in the order
              of their classes, with its guess and second guess: from nets that
              recognise
    Figure 3  incoming weights of first-layer features, white at +3, black at -3:
              from every file
    Figure 5  samples with one label clamped in each row, 1000 Gibbs rounds apart:
              from nets that learned labels
    curves    learning curves, with the weights that were kept and the criteria

    Each is a PNG and an SVG file in DIR, with its numbers beside it as JSON (curves: CSV).
    Nothing is trained.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    from hinton06.report import figures as report  # noqa: PLC0415  # Matplotlib is slow to import

    if options["features"] is not None and _given("random_features"):
        raise click.UsageError("--features names them, --random-features draws them: give one")
    choice = report.Choice(
        options["only"], options["cases"], options["features"], options["random_features"],
        options["gibbs"], options["seed"],
    )  # fmt: skip
    context = make_context(options, Display(options["quiet"], parts=None))
    drawn = report.draw(context, checkpoints, out, choice)
    if as_json:
        print_json(report.values(drawn))
        return
    for each in drawn:
        click.echo(f"{each.files[0]}: {each.about}")


def _given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE
