"""``hinton06 recognise``: digits in pictures of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from hinton06.cli.options import EXISTING_FILE, FILE, json_option, print_json
from hinton06.files import one_line
from hinton06.net import load
from hinton06.numerics import Array
from hinton06.report import recognised
from hinton06.report.files import check_folder, save
from hinton06.report.recognised import Recognised
from hinton06.training import RunError


@click.command()
@click.argument("pictures", metavar="PICTURE...", nargs=-1, required=True,
                type=click.Path(exists=True, dir_okay=False, path_type=Path))  # fmt: skip
@click.option("--net", "path", metavar="NET", type=EXISTING_FILE, default="digits",
              show_default=True, help="The net to ask: a file, or the name of one inside the "
              "package.")  # fmt: skip
@click.option("--show", is_flag=True, help="Also print each digit as the net sees it, and its "
              "reconstruction if the net generates images.")  # fmt: skip
@click.option("--out", "-o", metavar="FILE", type=FILE,
              help="Save what --show prints as a picture, ending in .png or .svg.")  # fmt: skip
@json_option
def recognise(
    pictures: tuple[Path, ...], path: Path, show: bool, out: Path | None, as_json: bool
) -> None:
    """Recognise the digits in pictures of your own.

    \b
    hinton06 recognise four.png
    hinton06 recognise page.jpg --show
    hinton06 recognise *.png --net table1-a --json

    Pictures are files that Pillow reads, or arrays in .npy files, of any size: photographs, scans
    and drawings, dark on light or light on dark, in any colours, with several digits if they stand
    apart. Each digit is cut out, scaled and centred as those of MNIST were. A guess is printed with
    the probability of each label, below 0.005 as a dot. NET is a classifier, a generative net, or a
    stack that learned labels.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    form = out.suffix.removeprefix(".").lower() if out else ""
    if out and form not in recognised.FORMATS:
        raise click.UsageError(f"--out {out}: a picture ends in .png or .svg")
    if out:
        check_folder(out.parent, out)
        if any(out.exists() and own.exists() and out.samefile(own) for own in pictures):
            raise click.UsageError(f"--out {out}: is one of the pictures, and is not replaced")
    made = recognised.recognise(load(path), pictures, _note)
    if made.found:
        again = _reconstructions(made) if show or out else None
        if out is not None:
            save(out, recognised.picture(made, again, form))
        _print(made, again, show, as_json)
    for failure in made.failures:
        _note(failure)
    if made.failures:
        raise click.exceptions.Exit(1)


def _note(message: str) -> None:
    click.echo(f"hinton06: {one_line(message)}", err=True)


def _reconstructions(made: Recognised) -> Array | None:
    """What the net makes of the digits; None, with a note, if it generates nothing."""
    try:
        return made.net.reconstruct(made.images)
    except RunError as error:
        _note(str(error))
        return None


def _print(made: Recognised, again: Array | None, show: bool, as_json: bool) -> None:
    rows = made.rows()
    if as_json:
        for row, image in zip(rows, made.images, strict=True) if show else ():
            row["image"] = image.tolist()
        for row, image in zip(rows, again, strict=True) if show and again is not None else ():
            row["reconstruction"] = image.tolist()
        print_json(rows)
        return
    recognised.table(made).show()
    if show:
        recognised.preview(made, again)
