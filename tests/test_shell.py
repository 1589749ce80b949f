"""Help of commands, and completion."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from commands import run

from hinton06.cli import main


@pytest.mark.parametrize("command", [[], *[[name] for name in main.commands]], ids=" ".join)
def test_help_of_a_command_is_what_it_says_itself(command: list[str]) -> None:
    asked, own = run("help", *command), run(*command, "--help")
    assert asked.exit_code == own.exit_code == 0
    assert asked.stdout == own.stdout


def test_help_of_no_command_names_a_near_one() -> None:
    result = run("help", "pretrian")
    assert result.exit_code == 2
    assert "'pretrian'" in result.stderr
    if hasattr(click.exceptions, "NoSuchCommand"):  # older versions of Click know none
        assert "'pretrain'" in result.stderr.partition("pretrian")[2]


def test_all_help_is_that_of_every_command() -> None:
    result = run("--help-all")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert result.stdout.startswith(run("--help").stdout)
    for name in main.commands:
        assert run(name, "--help").stdout in result.stdout
    assert run("--help-all", "pretrain").stdout == result.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_the_shell_understands(shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_HINTON06_COMPLETE" in result.stdout
    if shutil.which(shell):
        checked = subprocess.run(
            [shell, "-n"], input=result.stdout, text=True, capture_output=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("shell", [[], ["tcsh"]])
def test_a_shell_that_is_not_known_is_a_mistake(shell: list[str]) -> None:
    result = run("completion", *shell)
    assert result.exit_code == 2
    for name in ("bash", "zsh", "fish"):
        assert name in result.stderr


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["fine"], {name for name in main.commands if name.startswith("fine")}),
        (["evaluate", "--meth"], {"--method"}),
        (["evaluate", "tab"], {"table1-a"}),
        (["sample", "dig"], {"digits"}),
        (["finetune-bp", "table1-"], {"table1-a"}),
        (["pretrain", "--recipe", "q"], {"quick"}),
        (["help", "sa"], {"sample"}),
        (["completion", "z"], {"zsh"}),
        (["--help-"], {"--help-all"}),
    ],
)
def test_bash_completes_commands_options_and_names(
    words: list[str], completed: set[str], tmp_path: Path
) -> None:
    """By the script itself, and the installed command."""
    bash, command = shutil.which("bash"), Path(sys.executable).parent / "hinton06"
    if bash is None or not command.exists():
        pytest.skip("needs bash, and the command installed")
    typed = " ".join(["hinton06", *words])
    script = (
        f"{run('completion', 'bash').stdout}\ncompopt() {{ :; }}\nCOMP_WORDS=({typed})\n"
        f"COMP_CWORD={len(words)}\n_hinton06_completion hinton06\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    path = f"{command.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [bash, "-c", script], cwd=tmp_path, env=os.environ | {"PATH": path}, text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    assert set(done.stdout.split()) == completed
