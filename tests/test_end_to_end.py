"""The whole graph of `make table1`, on a tiny slice of the real digits."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hinton06.loading import RunFile, load
from hinton06.mnist import Digits
from hinton06.recipes import RECIPES, BackpropSettings
from hinton06.recognition import Score

ROOT = Path(__file__).parents[1]
FILES = [
    *(f"pretrain-{split}.h5" for split in "abc"),
    *(f"bp-{split}.h5" for split in "abc"),
    *(f"bp-{split}-extended.h5" for split in "abc"),
    "bp-not-pretrained.h5",
]


def write(folder: Path, digits: Digits, n_train: int, to_idx: Callable[[Any], bytes]) -> None:
    """Some of the digits as four IDX files."""
    folder.mkdir()
    for name, images, labels, n in (
        ("train", digits.train_images, digits.train_labels, n_train),
        ("t10k", digits.test_images, digits.test_labels, 200),
    ):
        square = images[:n].reshape(-1, *digits.shape)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(to_idx(square))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(to_idx(labels[:n]))


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, shipped: Digits, to_idx: Callable[[Any], bytes]
) -> Path:
    """A copy of the Makefile with a few digits, and with this Python as its environment."""
    top = tmp_path_factory.mktemp("clone")
    write(top / "digits", shipped, 600, to_idx)
    write(top / "more-digits", shipped, 1500, to_idx)
    rules = [str(path.relative_to(ROOT)) for path in ROOT.glob("experiments/*/rules.mk")]
    for name in (
        "Makefile",
        "pyproject.toml",
        "hinton06/native.c",
        "experiments/unlabelled/plan.py",
        *rules,
    ):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, top / name)
    (top / ".venv" / "bin").mkdir(parents=True)
    (top / ".venv" / "installed").touch()
    python = top / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return top


def make(folder: Path, *arguments: str, data: str = "digits") -> str:
    """Run make with this Python's hinton06 in place of a new environment's."""
    given = [f"DATA={data}"] if data else []
    command = ["make", *arguments, *given, f"HINTON06={sys.executable} -m hinton06"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    """What `make quick` prints."""
    return make(folder, "quick")


def train(file: RunFile) -> Score:
    assert file.outcome.train is not None
    return file.outcome.train


def test_make_quick_trains_every_net_and_prints_the_table(folder: Path, printed: str) -> None:
    runs = folder / "runs" / "quick"
    made = {name: load(runs / name) for name in FILES}
    assert all(file.complete for file in made.values())
    assert "missing" not in printed
    assert "not pre-trained" in printed

    # Each arrow of the graph: every net starts from, or stops at, what the file before recorded.
    for split in "abc":
        stack, net = made[f"pretrain-{split}.h5"], made[f"bp-{split}.h5"]
        extended = made[f"bp-{split}-extended.h5"]
        assert net.lineage.parents == (stack.digest,)
        assert extended.lineage.parents == (net.digest,)
        assert extended.lineage.target_cost == train(net).cost_per_100
        assert train(extended).cases == 600
    nets = [made[f"bp-{split}.h5"] for split in "abc"]
    random = made["bp-not-pretrained.h5"].lineage
    assert random.parents == tuple(net.digest for net in nets)
    assert random.target_cost == pytest.approx(sum(train(net).cost_per_100 for net in nets) / 3)
    table = json.loads((runs / "table1" / "table1.json").read_text())
    assert all(row["measured"] for row in table["rows"])


@pytest.mark.usefixtures("printed")
def test_make_trains_only_what_is_missing(folder: Path) -> None:
    runs = folder / "runs" / "quick"
    before = {name: (runs / name).stat().st_mtime_ns for name in FILES}
    digest = load(runs / "bp-b-extended.h5").digest
    (runs / "bp-b-extended.h5").unlink()
    make(folder, "quick")
    changed = {name for name in FILES if (runs / name).stat().st_mtime_ns != before[name]}
    assert changed == {"bp-b-extended.h5"}
    assert load(runs / "bp-b-extended.h5").digest == digest


@pytest.mark.usefixtures("printed")
def test_make_refuses_another_seed_than_that_of_finished_nets(folder: Path) -> None:
    paths = sorted((folder / "runs" / "quick").glob("*.h5"))
    before = [path.stat().st_mtime_ns for path in paths]
    with pytest.raises(AssertionError, match="seed was 0, now 3"):
        make(folder, "table1", "RUNS=runs/quick", "SEED=3")
    make(folder, "table1", "RUNS=runs/quick", "RECIPE=quick", "SEED=0")
    assert [path.stat().st_mtime_ns for path in paths] == before


@pytest.mark.parametrize(
    ("given", "options"),
    [((), ()), (("RECIPE=science06", "SEED=2"), ("--seed 2", "--recipe science06"))],
)
def test_seed_and_recipe_that_are_given_are_those_of_what_starts_from_a_file_too(
    folder: Path, given: tuple[str, ...], options: tuple[str, ...]
) -> None:
    """Stacks that are there may be another recipe's."""
    printed = make(folder, "-n", *given, "nets", "cws", "hybrid", "translated", "RUNS=runs/none")
    lines = [line for line in printed.splitlines() if "finetune-" in line]
    assert len(lines) >= 7
    for line in lines:
        assert tuple(re.findall(r"--(?:seed|recipe) \S+", line)) == options


def test_make_help_names_every_target(folder: Path) -> None:
    makefiles = (folder / "Makefile", *folder.glob("experiments/*/rules.mk"))
    lines = "\n".join(path.read_text() for path in makefiles).replace("\\\n", " ")
    targets = {name for line in re.findall(r"^\.PHONY: (.*)", lines, re.M) for name in line.split()}
    shown = re.findall(r"^make ((?:[a-z0-9-]+ )+)", make(folder, "help", data=""), re.M)
    assert {name for words in shown for name in words.split()} == targets - {"nets", "force"}


def test_another_seed_is_another_replica_in_a_folder_of_its_own(folder: Path) -> None:
    goal = "runs/quick-seed1/pretrain-a.h5"
    make(folder, goal, "SEED=1", "RECIPE=quick", "RUNS=runs/quick-seed1")
    file = load(folder / goal)
    assert (file.lineage.seed, file.recipe) == (1, "quick")


@pytest.mark.usefixtures("printed")
def test_make_replicas_trains_every_seed_and_prints_their_spread(folder: Path) -> None:
    shown = make(folder, "replicas", "RECIPE=quick", "RUNS=runs/quick", "SEEDS=0 1")
    assert "seeds 0, 1," in shown
    assert "missing" not in shown
    nets = {
        (seed, name): load(folder / "runs" / f"quick{end}" / name)
        for seed, end in ((0, ""), (1, "-seed1"))
        for name in FILES
    }
    assert all(net.complete and net.lineage.seed == seed for (seed, _), net in nets.items())
    saved = json.loads((folder / "runs" / "quick" / "replicas" / "replicas.json").read_text())
    errors = saved["rows"][0]["test_errors"]["by_seed"]
    for seed in (0, 1):
        score = nets[seed, "bp-a.h5"].outcome.test
        assert score is not None
        assert errors[str(seed)] == score.errors


def test_make_translated_trains_a_net_of_translated_images_and_prints_its_table(
    folder: Path,
) -> None:
    printed = make(folder, "translated", "RECIPE=quick", "RUNS=runs/moved")
    assert "0.65 %" in printed
    names = ("pretrain-translated-a", "bp-translated-a", "bp-translated-a-extended")
    stack, net, extended = (load(folder / f"runs/moved/{name}.h5") for name in names)
    assert net.lineage.parents == (stack.digest,)
    assert extended.lineage.parents == (net.digest,)
    assert train(extended).cases == 13 * 600


@pytest.mark.usefixtures("printed")
def test_make_hybrid_goes_on_from_the_stacks_of_table_1(folder: Path) -> None:
    printed = make(folder, "hybrid", "RECIPE=quick", "RUNS=runs/quick")
    assert "contrastive wake-sleep" in printed
    assert "mixed gradient" in printed
    names = ("pretrain-a", "pretrain-labels-a", "cws-a", "hybrid-a", "hybrid-a-extended")
    files = [load(folder / "runs" / "quick" / f"{name}.h5") for name in names]
    for start, file in pairwise(files):
        assert file.lineage.parents == (start.digest,)
        assert (file.recipe, file.lineage.seed) == ("quick", 0)
    cws = load(folder / "runs" / "quick" / "cws-a-extended.h5")
    assert cws.lineage.parents == (files[2].digest,)
    assert train(cws).cases == train(files[-1]).cases == 600
    replicas = make(folder, "replicas", "EACH=hybrid", "RECIPE=quick", "RUNS=runs/quick", "SEEDS=0")
    assert "Table 1 over 1 seed\n" in replicas
    assert "The generative half over 1 seed\n" in replicas
    saved = folder / "runs/quick/replicas/replicas-generative.json"
    (row,) = (r for r in json.loads(saved.read_text())["rows"] if r["experiment"][:5] == "mixed"
              and "600" in r["experiment"])  # fmt: skip
    test = files[-1].outcome.test
    assert test is not None
    assert row["test_errors"]["by_seed"] == {"0": test.errors}


@pytest.mark.parametrize("net", ["cws", "hybrid", "bp-translated"])
def test_the_extension_of_any_split_can_be_asked_for_by_name(folder: Path, net: str) -> None:
    goal = f"runs/asked/{net}-b-extended.h5"
    command = ["make", "--dry-run", goal, "RUNS=runs/asked"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before, last = [line for line in done.stdout.splitlines() if " --out " in line][-2:]
    assert f"--out runs/asked/{net}-b.h5 " in before
    assert f"--extend runs/asked/{net}-b.h5 --out {goal} " in last


def test_make_unlabelled_trains_nets_of_few_labels_and_prints_their_table(folder: Path) -> None:
    few = ("RECIPE=quick", "RUNS=runs/few")
    both = make(folder, "replicas", "EACH=unlabelled", "SEEDS=0", *few, data="more-digits")
    printed, _, replicas = both.partition("Few labels over 1 seed\n")
    for part in (printed, replicas):
        assert "nothing" in part
        assert "labelled images" in part
    assert "over 1 seed" not in printed + replicas  # no other table
    searches = RECIPES["quick"].searches
    sizes, labels, rates, random_rates = (
        len(searches[name])
        for name in ("pretrain.layers", "labelled", "backprop.rate", "backprop.all_cases_rate")
    )
    nets = folder / "runs" / "few" / "unlabelled"
    n_stacks, n_nets = sizes * (1 + labels), sizes * labels * (2 * rates + random_rates)
    assert len(list(nets.glob("*.h5"))) == n_stacks + n_nets
    assert len(list(nets.glob("pretrain-*.h5"))) == n_stacks

    own = load(nets / "pretrain-50-50-200-a-100-images.h5")
    assert own.lineage.images == 100
    # As many passes of one batch as the recipe has updates.
    assert own.epochs_done == 3 * RECIPES["quick"].settings("pretrain", ["few images"]).updates
    own_net = load(nets / "bp-50-50-200-a-100-images-0.05.h5")
    assert own_net.lineage.parents == (own.digest,)
    assert own_net.lineage.images == own_net.lineage.labelled == train(own_net).cases == 100
    stack = load(nets / "pretrain-50-50-200-a.h5")
    net = load(nets / "bp-50-50-200-a-100-labelled-0.05.h5")
    random = load(nets / "bp-not-pretrained-50-50-200-a-100-labelled-0.02.h5")
    assert net.lineage.parents == (stack.digest,)
    assert isinstance(net.settings, BackpropSettings)
    assert isinstance(random.settings, BackpropSettings)
    assert (net.settings.rate, random.settings.all_cases_rate) == (0.05, 0.02)
    assert net.lineage.labelled == random.lineage.labelled == 100
    rows = json.loads((nets / "unlabelled" / "unlabelled.json").read_text())["rows"]
    assert len(rows) == n_nets
