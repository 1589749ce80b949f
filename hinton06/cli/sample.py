"""``hinton06 sample``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import samples
from hinton06.cli.display import Display
from hinton06.cli.options import (
    EXISTING_FILE,
    NUMBERS_OR_FREE,
    data_option,
    make_context,
    print_json,
    quiet_option,
    seed_option,
    threads_option,
)
from hinton06.cli.options import json_option as json_flag
from hinton06.report import samples as report
from hinton06.samples import Sampling


@click.command()
@click.argument("path", metavar="CHECKPOINT", type=EXISTING_FILE)
@click.option(
    "--labels", metavar="N,N-N|free", type=NUMBERS_OR_FREE,
    help="Labels to clamp, a row of samples for each; free: the label units are sampled too. "
    "Default: every label of a net that learned labels.",
)  # fmt: skip
@click.option("--chains", type=click.IntRange(1, 1000),
              help="Chains for each clamped label, or in all. Default: 1 for each label, "
              "else 10.")  # fmt: skip
@click.option("--samples", "n_samples", type=click.IntRange(1, 1000), default=10,
              show_default=True, help="Samples from each chain.")  # fmt: skip
@click.option("--gibbs", type=click.IntRange(1, 10_000_000), default=1000, show_default=True,
              help="Rounds of alternating Gibbs sampling before each sample.")  # fmt: skip
@click.option("--layer", type=click.IntRange(1),
              help="The RBM of a stack to sample, 1 on the pixels. Default: the top "
              "one.")  # fmt: skip
@click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="The picture to make, its ending .png, .svg or .gif; without an ending, in each "
    "--format. Default: samples-NAME beside CHECKPOINT NAME.h5.",
)  # fmt: skip
@click.option(
    "--format", "forms", type=click.Choice(report.FORMATS), multiple=True,
    help="png: the grid of all samples (default); svg: the same as SVG; gif: the chains as an "
    "animation, a frame for each sample. Can be given several times.",
)  # fmt: skip
@seed_option
@data_option
@threads_option
@quiet_option
@json_flag
def sample(
    path: Path,
    out: Path | None,
    forms: tuple[str, ...],
    as_json: bool,
    n_samples: int,
    **options: Any,
) -> None:
    """Let a net generate images.

    \b
    hinton06 sample runs/cws-a.h5                 Figure 5: each row one label
    hinton06 sample runs/cws-a.h5 --labels 4,9 --chains 5 --out pairs.svg
    hinton06 sample runs/cws-a.h5 --labels free --gibbs 5 --out wander.gif
    hinton06 sample runs/pretrain-a.h5 --layer 1  a single RBM

    Chains of alternating Gibbs sampling start from random images and run side by side; what
    they have in mind is sent down to the pixels by the generative connections. A row of the
    grid is one chain. The last sample of each chain is also shown on the terminal.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    files = _files(path, out, forms)
    how = Sampling(
        options["labels"], options["chains"], n_samples, options["gibbs"], options["layer"],
        options["seed"],
    )  # fmt: skip
    context = make_context(options, Display(options["quiet"]))
    made = samples.sample(context, path, how)
    about = report.describe(made, how)
    for file, form in files.items():
        report.save(made, file, form, f"{path.name}: {about}")
    if as_json:
        print_json(report.values(made, how, path, list(files)))
        return
    report.preview(made)
    for file in files:
        click.echo(f"{file}: {about}")


def _files(path: Path, out: Path | None, forms: tuple[str, ...]) -> dict[Path, str]:
    """The files to make, and the format of each."""
    if out is None or not out.suffix:
        base = path.with_name(f"samples-{path.stem}") if out is None else out
        return {base.with_name(f"{base.name}.{form}"): form for form in forms or ("png",)}
    form = out.suffix.removeprefix(".").lower()
    if form not in report.FORMATS:
        raise click.UsageError(f"--out {out}: a picture ends in .png, .svg or .gif")
    if forms and forms != (form,):
        raise click.UsageError("--out with an ending names one file; leave the ending, or --format")
    return {out: form}
