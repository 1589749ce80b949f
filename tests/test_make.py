"""What the Makefile starts: with a script in hinton06's place that logs, and makes empty files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hinton06.recipes import RECIPES, show_value

ROOT = Path(__file__).parents[1]
NETS = [
    *(f"bp-{split}{end}.h5" for split in "abc" for end in ("", "-extended")),
    "bp-not-pretrained.h5",
]
STUB = """#!/bin/sh
echo "start $*" >> log
for word; do [ "$before" = --out ] && out=$word; before=$word; done
case $out in *.h5) sleep 0.1; mkdir -p "$(dirname "$out")"; [ -e "$out" ] || : > "$out";; esac
echo "end $*" >> log
"""
# What a script of a card has in the place of its commands.
NOTHING = "#!/bin/sh\nexit 0\n"


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Makefile and its rules, with a stub for hinton06."""
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):  # of a make that runs the tests
        monkeypatch.delenv(name, raising=False)
    rules = [path.relative_to(ROOT) for path in ROOT.glob("experiments/*/rules.mk")]
    for name in ("Makefile", "experiments/unlabelled/plan.py", *map(str, rules)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    executable(tmp_path / "hinton06", STUB)
    executable(tmp_path / ".venv/bin/python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / ".venv/installed").touch()
    return tmp_path


def ask(top: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "ON_NODE=1", "HINTON06=./hinton06", *arguments],
        cwd=top, capture_output=True, text=True, check=False,
    )  # fmt: skip


def started(top: Path, *arguments: str) -> list[str]:
    """The command lines that a make starts."""
    (top / "log").write_text("")
    done = ask(top, *arguments)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    lines = (top / "log").read_text().splitlines()
    return [line.removeprefix("start ") for line in lines if line.startswith("start ")]


def most_at_a_time(top: Path) -> int:
    running = [0]
    for line in (top / "log").read_text().splitlines():
        running.append(running[-1] + (1 if line.startswith("start ") else -1))
    assert running[-1] == 0
    return max(running)


def outs(lines: list[str], command: str) -> list[str]:
    """The files that calls of a command make."""
    chosen = [line for line in lines if line.startswith(command)]
    return sorted(Path(re.findall(r"--out (\S+)", line)[0]).name for line in chosen)


# -- finished files ------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["RECIPE=science06", "SEED=3"])
def test_finished_nets_are_held_against_a_recipe_and_a_seed_that_are_given(
    top: Path, given: str
) -> None:
    runs = "RUNS=runs/here"
    first = started(top, "table1", runs)
    assert outs(first, "finetune-bp") == sorted(NETS)
    before = {path: path.stat().st_mtime_ns for path in top.glob("runs/here/*.h5")}

    assert not outs([line for line in started(top, "table1", runs) if "--out" in line], "")

    lines = started(top, "table1", runs, given)
    assert outs(lines, "finetune-bp") == sorted(NETS)
    option = {"RECIPE": "--recipe", "SEED": "--seed"}[given.partition("=")[0]]
    # Each with the files that it had at first, and what was given.
    value = given.partition("=")[2]
    expected = sorted(f"{line} {option} {value}" for line in first if line.startswith("finetune-"))
    assert sorted(line for line in lines if line.startswith("finetune-")) == expected
    assert not outs(lines, "pretrain")  # a stack may be another recipe's
    assert {path: path.stat().st_mtime_ns for path in top.glob("runs/here/*.h5")} == before


def test_files_of_pairs_and_of_comparisons_are_asked_with_the_files_before_them_alone(
    top: Path,
) -> None:
    values = ("heard", "compare", "sparse", "beyond", "adversarial", "neighbours", "virtual",
              "distorted", "RUNS=runs/here", "SEED=3")  # fmt: skip
    first = started(top, *values)
    again = started(top, *values)
    assert sorted(again) == sorted(
        line for line in first if not (line.startswith("pretrain ") and "/pretrain-" in line)
    )
    assert not any("force" in line for line in first + again)


def test_make_adversarial_moves_images_as_far_as_the_recipe_does(top: Path) -> None:
    length = show_value(RECIPES["adversarial"].backprop.adversarial)
    lines = [line for line in started(top, "adversarial") if line.startswith("finetune-bp")]
    assert sum("--extend" in line for line in lines) == 1
    assert sum(f"--dropout --adversarial {length} " in line for line in lines) == 1


def test_make_neighbours_moves_images_as_the_recipe_does(top: Path) -> None:
    own = RECIPES["neighbours"].backprop
    lines = [line for line in started(top, "neighbours") if line.startswith("finetune-bp")]
    assert sum("--extend" in line for line in lines) == 1
    moved = f"--dropout --adversarial {show_value(own.adversarial)} --neighbours {own.neighbours} "
    assert sum(moved in line and "pretrain-" in line for line in lines) == 1


def test_make_distorted_makes_nets_of_their_own_beside_those_with_dropout(top: Path) -> None:
    lines = [line for line in started(top, "distorted", "beyond") if "distorted" in line]
    first, extended = sorted((line for line in lines if "finetune" in line), key=len)[::-1]
    assert " --dropout --affine 1.5 --elastic 1.5 " in first
    assert "/pretrain-a.h5 --out " in first
    assert "/bp-dropout-a-distorted.h5" in first
    assert extended.startswith("finetune-bp --extend ")
    assert "/bp-dropout-a-distorted-extended.h5" in extended


def test_make_virtual_learns_few_labels_as_the_recipe_does(top: Path) -> None:
    length = show_value(RECIPES["virtual"].backprop.virtual)
    lines = [line for line in started(top, "virtual", "SPLITS=a b") if "finetune-bp" in line]
    assert all(f"--dropout --virtual {length} " in line for line in lines)
    assert sorted(line.split()[-1] for line in lines) == ["100", "100", "1000", "1000"]


# -- how many at a time --------------------------------------------------------------------------


@pytest.mark.parametrize("each", ["cws", "unlabelled"])
def test_replicas_have_the_jobs_together_and_not_each(top: Path, each: str) -> None:
    lines = started(
        top, "replicas", f"EACH={each}", "RECIPE=quick", "SPLITS=a b c", "JOBS=3", "SEEDS=0 1 2 3"
    )
    assert len(lines) > 4 * 12
    assert most_at_a_time(top) == 3


@pytest.mark.parametrize(
    "goal",
    [("cws",), ("unlabelled",), ("replicas", "EACH=unlabelled", "SEEDS=0"),
     ("-j3", "replica-0", "EACH=unlabelled")],
)  # fmt: skip
def test_one_experiment_has_all_the_jobs(top: Path, goal: tuple[str, ...]) -> None:
    started(top, *goal, "RECIPE=quick", "SPLITS=a b c", "JOBS=3")
    assert most_at_a_time(top) == 3


def test_the_jobs_of_a_make_that_is_told_how_many_are_those(top: Path) -> None:
    started(top, "-j2", "table1")
    assert most_at_a_time(top) == 2


# -- typing mistakes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replicas", "SEED=1"), 'SEEDS="1"'),
        (("cws", "SPLITS=a d"), 'SPLITS="a d": some of a b c'),
        (("cws", "SPLITS="), 'SPLITS="": some of a b c'),
        (("replicas", "EACH=cwss"), 'EACH="cwss": one of nets cws hybrid'),
        (("replicas", "EACH="), 'EACH="": one of nets cws hybrid'),
        (("table1", "SEED=x"), 'SEED="x": a number, 0 or more'),
        (("table1", "SEED=01"), 'SEED="01": a number'),
        (("table1", "SEED=1 2"), 'SEED="1 2": a number'),
        (("table1", "SEED="), 'SEED="": a number'),
        (("replicas", "SEEDS=0 1 a"), 'SEEDS="0 1 a": numbers, 0 or more'),
        (("replicas", "SEEDS="), 'SEEDS="": numbers'),
        (("table1", "JOBS=0"), 'JOBS="0": a number, 1 or more'),
        (("table1", "JOBS=two"), 'JOBS="two": a number'),
        (("table1", "THREADS=0"), 'THREADS="0": a number, 1 or more'),
        (("table1", "THREADS=x"), 'THREADS="x": a number'),
        (("table1", "RUNS="), 'RUNS="": a folder, without spaces, colons and the like in its name'),
        *(
            (("table1", f"RUNS=a{c}b"), f'RUNS="a{c}b": a folder, ')
            for c in ";%~&|<>()[]{}*?!'\"`\\"
        ),
        (("table1", "RUNS=my runs"), 'RUNS="my runs": a folder'),
        (("table1", "RUNS=a:b"), 'RUNS="a:b": a folder'),
    ],
)
def test_a_typing_mistake_is_said_in_a_line_before_anything_is_learned(
    top: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = ask(top, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert words in line
    assert not (top / "log").exists()


VALUES = {
    "SEED": "3", "RECIPE": "hot06", "DATA": "/data", "RUNS": "runs/x", "SEEDS": "5 6",
    "EACH": "cws", "SPLITS": "b c", "JOBS": "7", "THREADS": "5",
}  # fmt: skip
GOALS = re.findall(
    r"^#   make ([a-z0-9-]+)( lint)?",
    "\n".join(
        path.read_text() for path in (ROOT / "Makefile", *ROOT.glob("experiments/*/rules.mk"))
    ),
    re.MULTILINE,
)


def wherever(line: str) -> str:
    """A line that writes into the folder of a seed as if into another: that alone says nothing."""
    for out in re.findall(r"--out (\S+)", line):
        line = line.replace(out, out.replace("-seed3", ""))
    return line


@pytest.mark.parametrize("goal", sorted({name for pair in GOALS for name in pair if name}))
def test_a_value_is_refused_where_nothing_takes_it_and_nowhere_else(
    top: Path, goal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("table1", "table1-seed5", "x"):  # for the report
        (top / "runs" / folder).mkdir(parents=True)
    goal = goal.strip()

    def planned(*arguments: str) -> list[str]:
        return sorted(map(wherever, ask(top, "--dry-run", goal, *arguments).stdout.splitlines()))

    for name, value in VALUES.items():
        given = f"{name}={value}"
        if (goal, name) == ("replicas", "SEED"):  # said in other words
            continue
        done = ask(top, "--dry-run", goal, given)
        refused = f'{name}="{value}": says nothing to {goal}' in done.stderr
        assert refused == (done.returncode != 0), done.stderr
        with monkeypatch.context() as below:
            below.setenv("MAKELEVEL", "1")  # nothing is refused to a make that make starts
            same = planned() == planned(given)
        belongs = f"{name} {'belongs' if same else 'does not belong'} into LACKS_{goal}"
        assert refused == same, (
            f"{given} {'changes nothing' if same else 'changes lines'}: {belongs}"
        )


def test_a_value_is_taken_where_one_of_several_goals_takes_it(top: Path) -> None:
    assert any("cws-b.h5" in line for line in started(top, "table1", "cws", "SPLITS=b"))
    for asked in (("test", "lint", "SEED=1"), ("table1", "figures", "SPLITS=b"),
                  ("cws", "hybrid", "SEEDS=1")):  # fmt: skip
        done = ask(top, "--dry-run", *asked)
        assert done.returncode == 2, asked
        assert f"says nothing to {asked[0]} {asked[1]}" in done.stderr


def test_a_replica_takes_what_each_of_them_does_before_anything_is_learned(top: Path) -> None:
    assert ask(top, "--dry-run", "replica-3", "EACH=cws", "SPLITS=b").returncode == 0
    for asked in (("replica-3", "SPLITS=b"), ("replica-3", "SEEDS=4"), ("nets", "SPLITS=b"),
                  ("replicas", "EACH=nets", "SPLITS=b")):  # fmt: skip
        assert "says nothing to" in ask(top, "--dry-run", *asked).stderr


def test_a_value_that_there_is_not_is_refused_and_what_compilers_take_is_not(top: Path) -> None:
    done = ask(top, "cws", "SPLIT=b")
    (line,) = done.stderr.splitlines()
    assert 'SPLIT="b": the values are SEED RECIPE' in line
    assert ask(top, "--dry-run", "table1", "CC=clang", "CFLAGS=-O2").returncode == 0


def test_make_unlabelled_by_a_recipe_that_is_not_there_says_so_and_starts_nothing(
    top: Path,
) -> None:
    done = ask(top, "unlabelled", "RECIPE=qick")
    assert done.returncode == 2
    said, of_make = done.stderr.splitlines()
    assert said.startswith("plan.py: no recipe qick; there are tr2006, ")
    assert of_make.endswith("Error 2")
    assert not (top / "log").exists()


# -- records -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threads", "each"), [((), "--threads 1"), (("THREADS=2",), "--threads 2")]
)
@pytest.mark.parametrize("goal", ["demo", "figures", "likelihood", "nets-inside"])
def test_what_shows_the_recorded_nets_makes_them_with_their_one_thread(
    top: Path, goal: str, threads: tuple[str, ...], each: str
) -> None:
    done = ask(top, "--dry-run", goal, *threads)
    assert done.returncode == 0, done.stderr
    learned = [line for line in done.stdout.splitlines() if re.search(" (pretrain|finetune)", line)
               and " --out " in line]  # fmt: skip
    assert any("finetune-cws" in line for line in learned)
    assert all(f" {each} " in line for line in learned)


def test_plain_wake_sleep_of_other_images_is_not_beside_the_net_of_the_packages(top: Path) -> None:
    shown = {
        data: [line for line in started(top, "wake-sleep", f"DATA={data}") if "dreams" in line]
        for data in ("", "clothes")
    }
    assert " digits " in shown[""][0]
    assert " digits " not in shown["clothes"][0]


def test_make_torture_takes_a_seed(top: Path) -> None:
    lines = ask(top, "--dry-run", "torture", "SEED=15").stdout.replace("\\\n", "").splitlines()
    assert sum("--seed 15 " in line for line in lines) == 2


@pytest.mark.parametrize(
    "script",
    [
        "beyond/card",
        *(f"replicas/{name}" for name in ("generative", "all", "first", "alternatives")),
    ],
)
def test_scripts_of_a_card_make_the_folder_that_they_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    for name in ("python3", "nvidia-smi"):
        executable(tmp_path / "bin" / name, NOTHING)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=":")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    out = tmp_path / "new" / "out"
    subprocess.run(
        ["sh", str(ROOT / f"experiments/{script}.sh"), str(out)],
        cwd=tmp_path, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert list(out.iterdir())


def test_the_help_fits_a_terminal(top: Path) -> None:
    lines = ask(top, "help").stdout.splitlines()
    assert {line.split()[1] for line in lines} >= {"table1", "cws", "beyond", "layers"}
    assert max(map(len, lines)) < 80
