"""The command line: parse, one library call, print. One module a command."""

from __future__ import annotations

import sys
from typing import IO, Any

import click

from hinton06 import provenance
from hinton06.checkpoint import CheckpointError
from hinton06.cli.combine import combine
from hinton06.cli.evaluate import evaluate
from hinton06.cli.figures import figures
from hinton06.cli.finetune_bp import finetune_bp
from hinton06.cli.finetune_cws import finetune_cws
from hinton06.cli.generative import generative
from hinton06.cli.pretrain import pretrain
from hinton06.cli.replicas import replicas
from hinton06.cli.sample import sample
from hinton06.cli.show import show
from hinton06.cli.table1 import table1
from hinton06.cli.translated import translated
from hinton06.cli.unlabelled import unlabelled
from hinton06.mnist import DataError
from hinton06.report.files import ReportError
from hinton06.training import Interrupted, RunError


class _OneLine(click.ClickException):
    """A failed run: one line on stderr, exit code 1."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"hinton06: {self.message}", file=file or sys.stderr)


class _Commands(click.Group):
    """A group that turns what can go wrong into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (DataError, CheckpointError, RunError, ReportError) as error:
            raise _OneLine(str(error)) from None
        except MemoryError:
            raise _OneLine("not enough memory; what was saved before is kept") from None
        except Interrupted as stop:
            click.echo(f"hinton06: stopped by {stop}; start again to go on", err=True)
            ctx.exit(128 + stop.signal_number)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(provenance.version(), prog_name="hinton06")
def main() -> None:
    """Rerun the experiments of Hinton's "To Recognize Shapes, First Learn to Generate Images".

    G. E. Hinton, UTML TR 2006-004, University of Toronto, October 2006.

    The whole of Table 1 is three calls of pretrain, seven of finetune-bp and one
    of table1; `make table1` makes them. Every long command can be stopped at any
    time and goes on where it was when it is started again.
    """


for _command in (
    pretrain, finetune_bp, finetune_cws, evaluate, combine, sample, table1, replicas,
    translated, unlabelled, generative, figures, show,
):  # fmt: skip
    main.add_command(_command)
