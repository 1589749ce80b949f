"""Help of commands, and their completion in a shell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")
_UNBROKEN = "\N{NON-BREAKING HYPHEN}"


class _Help(click.HelpFormatter):
    """Help in which a line never ends within a name of a file or an option."""

    def write_text(self, text: str) -> None:
        super().write_text(text.replace("-", _UNBROKEN))

    def write_dl(self, rows: Iterable[tuple[str, str]], *args: Any, **more: Any) -> None:
        super().write_dl([(a, b.replace("-", _UNBROKEN)) for a, b in rows], *args, **more)

    def getvalue(self) -> str:
        return super().getvalue().replace(_UNBROKEN, "-")


class Context(click.Context):
    """Of the group and of each of its commands."""

    formatter_class = _Help


def _names(ctx: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Names of commands that begin so."""
    group: Any = ctx.find_root().command
    return [name for name in group.list_commands(ctx) if name.startswith(begun)]


@click.command("help")
@click.argument("command", required=False, shell_complete=_names)
@click.pass_context
def help_command(ctx: click.Context, command: str | None) -> None:
    """Show the help of a command, or of them all in short.

    The same as hinton06 COMMAND --help; hinton06 --help-all shows every one at full length.
    """
    assert ctx.parent is not None  # it is a command of the group
    if command is None:
        click.echo(ctx.parent.get_help())
    else:
        _, found, _ = ctx.parent.command.resolve_command(ctx.parent, [command])  # type: ignore[attr-defined]  # of a group
        click.echo(_help(found, ctx.parent))


def _help(command: click.Command, parent: click.Context) -> str:
    return command.get_help(Context(command, parent, command.name))


def show_all_help(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the help of the group and of each of its commands, and end, if that is `wanted`."""
    if not wanted or ctx.resilient_parsing:
        return
    group: Any = ctx.command
    every = [_help(group.commands[name], ctx) for name in group.list_commands(ctx)]
    click.echo("\n\n\n".join([ctx.get_help(), *every]))
    ctx.exit()


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print what lets a shell complete commands, options and the names of nets.

    \b
    bash  eval "$(hinton06 completion bash)" in ~/.bashrc
    zsh   eval "$(hinton06 completion zsh)" in ~/.zshrc, behind compinit
    fish  hinton06 completion fish > ~/.config/fish/completions/hinton06.fish
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    made: Any = get_completion_class(shell)
    group = click.get_current_context().find_root().command
    click.echo(made(group, {}, "hinton06", "_HINTON06_COMPLETE").source())
