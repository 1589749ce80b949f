"""``hinton06 export``."""

from __future__ import annotations

from pathlib import Path

import click

from hinton06 import export as exporting
from hinton06 import loading
from hinton06.cli.options import EXISTING_FILE, FILE

_ABOUT = "; ".join(f"{name}: {form.about}" for name, form in exporting.FORMATS.items())


@click.command()
@click.argument("path", metavar="CHECKPOINT", type=EXISTING_FILE)
@click.option("--to", type=click.Choice(list(exporting.FORMATS)), required=True, help=f"{_ABOUT}.")
@click.option(
    "--out", metavar="FILE", type=FILE,
    help="The file to make, with the ending of its format. Default: NAME.npz and so on beside "
    "CHECKPOINT NAME.h5.",
)  # fmt: skip
def export(path: Path, to: str, out: Path | None) -> None:
    """Write a finished net for other programs.

    \b
    hinton06 export table1-a --to onnx                for onnxruntime and browsers
    hinton06 export runs/bp-a.h5 --to safetensors     for PyTorch and others
    hinton06 export runs/cws-a.h5 --to mat            for Matlab and Octave

    Each also holds, as JSON, how the net was made. safetensors and onnx need a library more:
    pip install 'hinton06[safetensors]' or 'hinton06[onnx]'.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    target = out or path.with_name(f"{path.stem}.{to}")
    if target.suffix != f".{to}":
        raise click.UsageError(f"--out {target}: a file of this format ends in .{to}")
    exporting.export(loading.load(path), target, to)
    click.echo(f"{target}: {exporting.FORMATS[to].about}")
