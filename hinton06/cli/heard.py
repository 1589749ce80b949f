"""``hinton06 heard``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import hearing, loading, mnist
from hinton06.cli import options
from hinton06.hearing import HearingOptions
from hinton06.report.files import check_folder

_COUNT = click.IntRange(1, 1_000_000)


@click.command()
@click.argument("checkpoints", nargs=-1, required=True, type=options.EXISTING_FILE)
@click.option(
    "--reader", metavar="CHECKPOINT", type=options.EXISTING_FILE,
    help="The net that reads the images. Default: table1-a, if they are MNIST's.",
)  # fmt: skip
@click.option(
    "--second-reader", metavar="CHECKPOINT", type=options.EXISTING_FILE,
    help="The net that reads what the second pathway generates. Default: none; it is drawn alone.",
)  # fmt: skip
@options.second_option
@click.option("--part", type=click.Choice(["validation", "test"]), default="test",
              show_default=True, help="Which cases are asked about.")  # fmt: skip
@click.option("--cases", type=_COUNT, default=1000, show_default=True,
              help="At most so many cases of each pathway, drawn with --seed.")  # fmt: skip
@click.option("--rounds", type=_COUNT, default=10, show_default=True,
              help="Rounds of Gibbs sampling for which the memory settles.")  # fmt: skip
@click.option("--references", type=_COUNT, default=200, show_default=True,
              help="Training cases of each class whose mean a case is held against.")  # fmt: skip
@click.option("--dreams", type=click.IntRange(1, 10_000), default=100, show_default=True,
              help="Pairs that are dreamt.")  # fmt: skip
@click.option("--dream-rounds", type=click.IntRange(1, 10_000_000), default=1000,
              show_default=True, help="Rounds of Gibbs sampling before a dream.")  # fmt: skip
@click.option("--seed", type=options.SEED, default=0, show_default=True,
              help="Seed of all that is drawn.")  # fmt: skip
@click.option(
    "--out", metavar="DIR", type=options.FOLDER, default="figures",
    show_default=True, help="Folder for the pictures.",
)  # fmt: skip
@click.option("--format", "form", type=click.Choice(["png", "svg"]), default="png",
              show_default=True, help="Of the pictures.")  # fmt: skip
@options.save_option
@options.looking_options
def heard(
    checkpoints: tuple[Path, ...],
    reader: Path | None,
    second_reader: Path | None,
    second_dir: Path | None,
    out: Path,
    form: str,
    save: Path | None,
    **given: Any,
) -> None:
    """What nets of pairs hear and see, and how often they are right.

    \b
    hinton06 heard runs/pairs-a.h5 --second-reader runs/bp-spoken-a.h5

    From an image the spectrogram that it lets the net hear, from a recording the images that it
    sees, each read by a net that recognises; either recognised alone and both together; means of
    two images told apart by what is heard; and pairs dreamt freely. Pictures of all of these are
    pairs-NAME.png and blends-NAME.png in --out.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    from hinton06.report import heard as report  # noqa: PLC0415  # Matplotlib is slow to import

    check_folder(out)
    if save is not None:
        check_folder(save)
    context = options.measuring_context(given, checkpoints, len(checkpoints))
    if reader is None and context.digits.sha256 == mnist.SHA256:
        reader = Path("table1-a")
    wanted = options.values_for(HearingOptions, given)
    found = [
        hearing.hear(
            context, path, loading.second_of(loading.load(path).of_kind("pairs"), second_dir),
            (reader, second_reader), wanted,
        )
        for path in checkpoints
    ]  # fmt: skip
    table = report.table(found, context.threads)
    table.show("json" if given["as_json"] else "terminal")
    if save is not None:
        table.save(save)
    for path in report.save(found, out, form):
        if not given["as_json"]:
            click.echo(str(path))
