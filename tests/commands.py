"""Runs ``hinton06`` within the process of the tests."""

from __future__ import annotations

import inspect

import click
from click.testing import CliRunner, Result

from hinton06.cli import main


def run(*arguments: object, command: click.Command = main, **environment: str) -> Result:
    # Before Click 8.2 the two streams are one unless it is told otherwise.
    apart = "mix_stderr" in inspect.signature(CliRunner).parameters
    runner = CliRunner(**{"mix_stderr": False} if apart else {})
    typed = tuple(map(str, arguments))
    return runner.invoke(command, typed, prog_name="hinton06", env=environment)
