"""``hinton06 report``: one page of everything that the files in folders of runs tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hinton06 import native
from hinton06.cli.display import Display
from hinton06.cli.options import drawing_options, page_option, print_json
from hinton06.cli.tables import RUNS
from hinton06.console import tell
from hinton06.report import page
from hinton06.report.files import save


@click.command()
@click.argument("runs", type=RUNS, nargs=-1, required=True)
@page_option("report.html")
@click.option("--gibbs", type=click.IntRange(1, 10_000_000), default=1000, show_default=True,
              help="Rounds of Gibbs sampling between the samples of Figure 5.")  # fmt: skip
@drawing_options
def report(runs: tuple[Path, ...], out: Path, as_json: bool, **options: Any) -> None:
    """Make a page of all that the files in folders tell, printed numbers beside measured ones.

    \b
    hinton06 report runs
    hinton06 report runs/table1 runs/table1/unlabelled -o all.html

    Every table and figure that the files in the folders RUNS allow, learning curves, and the digits
    that the nets get wrong, in the order of the chapter's sections; where each number comes from,
    and what is missing. The page needs no network, and can be printed. Nothing is trained.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    wanted = page.PageOptions(
        options["gibbs"], options["seed"], options["threads"] or native.usable_threads(),
        options["data_dir"], options["transposed"],
    )  # fmt: skip
    made = page.make(runs, Display(options["quiet"], parts=None), wanted)
    save(out, made.html)
    if as_json:
        listed = {"tables": made.tables, "figures": made.figures, "missing": made.missing}
        print_json({"path": str(out), "bytes": made.size, **listed})
        return
    tell(f"{out}: {made.size / 1e6:.1f} MB, to be opened in a browser, or printed")
    for kind, titles in (("tables", made.tables), ("figures", made.figures)):
        tell(f"  {kind}: {', '.join(dict.fromkeys(titles)) or 'none'}")
    for line in made.missing:
        tell(f"  {line[0].lower()}{line[1:]}")
