"""The command line: parse, one library call, print."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module
from typing import Any

import click

from hinton06 import console, provenance
from hinton06.checkpoint import CheckpointError
from hinton06.cli import look, tables
from hinton06.cli.demo import demo
from hinton06.cli.export import export
from hinton06.cli.heard import heard
from hinton06.cli.options import OneLine
from hinton06.cli.recognise import recognise
from hinton06.cli.replicate import replicate
from hinton06.cli.report import report
from hinton06.cli.shell import Context, completion, help_command, show_all_help
from hinton06.cli.strategies import strategies
from hinton06.cli.svm import svm
from hinton06.cli.tour import tour
from hinton06.mnist import DataError
from hinton06.report.files import ReportError
from hinton06.training import Interrupted, RunError

_LEARNING = ["pretrain", *(m.name for m in pkgutil.iter_modules(__path__) if "finetune_" in m.name)]
"""Modules with a learning command each, of their own name."""

SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Begin": (tour,),
    "Learn": (
        *(getattr(import_module(f"{__name__}.{name}"), name) for name in _LEARNING),
        replicate,
        strategies,
        svm,
    ),
    "Look": (*look.COMMANDS, recognise, heard, demo, export),
    "Report": (*tables.COMMANDS, report),
    "Shell": (help_command, completion),
}
"""The commands, by what they are for."""


class _Commands(click.Group):
    """A group that turns what can go wrong into one line on stderr and an exit code."""

    context_class = Context

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (DataError, CheckpointError, RunError, ReportError) as error:
            raise OneLine(str(error)) from None
        except MemoryError:
            raise OneLine("not enough memory; what was saved before is kept") from None
        except Interrupted as stop:
            then = console.then(stop.goes_on, sys.argv[1:])
            click.echo(f"hinton06: stopped by {stop}; {then}", err=True)
            raise click.exceptions.Exit(128 + stop.signal_number) from None

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by section, each with the whole of its first sentence."""
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                named = [(str(c.name), c.get_short_help_str(limit=200)) for c in commands]
                formatter.write_dl(named)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(provenance.version(), prog_name="hinton06")
@click.option("--help-all", is_flag=True, is_eager=True, expose_value=False,
              callback=show_all_help, help="Show the help of every command and exit.")  # fmt: skip
def main() -> None:
    """Rerun the experiments of Hinton's "To Recognize Shapes, First Learn to Generate Images".

    Start with:  hinton06 tour

    It shows in five minutes what the chapter is about. Or step by step: `hinton06 pretrain --split
    a --recipe quick` learns a small net in less than a minute, and says where it is; then
    `hinton06 sample` lets it generate, and `hinton06 finetune-bp` teaches it to recognise. `make
    table1` makes the whole of Table 1. Every long command can be stopped at any time and goes on
    where it was when it is started again. (G. E. Hinton, UTML TR 2006-004, University of Toronto,
    October 2006.)
    """


for _commands in SECTIONS.values():
    for _command in _commands:
        _command.context_class = Context
        main.add_command(_command)
