"""``hinton06 demo``: a page in which nets recognise and dream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import demo as demonstration
from hinton06.cli.options import (
    EXISTING_FILE,
    looking_options,
    measuring_context,
    page_option,
    print_json,
)
from hinton06.console import tell
from hinton06.recipes import counted
from hinton06.report.files import save

_DEFAULT = Path("digits")


@click.command()
@click.argument("nets", metavar="[NET [NET]]", nargs=-1, type=EXISTING_FILE)
@page_option("digits.html")
@looking_options
def demo(nets: tuple[Path, ...], out: Path, as_json: bool, **options: Any) -> None:
    """Make a page in which a net recognises and dreams, in any browser, without a network.

    \b
    hinton06 demo
    hinton06 demo runs/cws-a.h5
    hinton06 demo runs/cws-a.h5 runs/pretrain-labels-a.h5 -o two.html

    One draws a digit and watches the layers settle and the labels compete by free energy, clamps a
    label and watches the memory dream, has half a digit filled in, and looks at what features look
    for. With a second NET, such as the greedily learned stack that the first was fine-tuned from,
    the dreams of both are seen side by side. NET is a generative net, or a stack that learned
    labels.

    Without a NET it is the generative one inside this package, digits.

    The weights are inside, rounded to a byte each; it is printed what that does to the errors on
    the test cases.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    if len(nets) > demonstration.MAX_NETS:
        raise click.UsageError(f"the page has one NET or two, not {len(nets)}")
    nets = nets or (_DEFAULT,)
    context = measuring_context(options, nets)
    made = demonstration.make(context, nets)
    save(out, made.html)
    if as_json:
        listed = [{"path": str(n.file.path), **demonstration.values(n)} for n in made.nets]
        print_json({"path": str(out), "bytes": made.size, "step": made.step, "nets": listed})
        return
    tell(f"{out}: {made.size / 1e6:.1f} MB, to be opened in a browser")
    for net in made.nets:
        before, after = net.score, net.rounded_score
        tell(
            f"  {net.file.path}: {counted(before.errors, 'error')} of {before.cases:,} test cases, "
            f"{after.errors} with the weights rounded to 1/{1 / made.step:g} of their deviation"
        )
