"""The whole graph of `make table1`, on a tiny slice of the real digits."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hinton06 import checkpoint
from hinton06.mnist import Digits

ROOT = Path(__file__).parents[1]
FILES = [
    *(f"pretrain-{split}.h5" for split in "abc"),
    *(f"bp-{split}.h5" for split in "abc"),
    *(f"bp-{split}-extended.h5" for split in "abc"),
    "bp-not-pretrained.h5",
]


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, tiny_digits: Digits, to_idx: Callable[[Any], bytes]
) -> Path:
    """A copy of the Makefile with a few digits, and no environment to be made."""
    top = tmp_path_factory.mktemp("clone")
    digits = top / "digits"
    digits.mkdir()
    for name, images, labels in (
        ("train", tiny_digits.train_images, tiny_digits.train_labels),
        ("t10k", tiny_digits.test_images, tiny_digits.test_labels),
    ):
        square = images.reshape(-1, *tiny_digits.shape)
        (digits / f"{name}-images-idx3-ubyte").write_bytes(to_idx(square))
        (digits / f"{name}-labels-idx1-ubyte").write_bytes(to_idx(labels))
    shutil.copy(ROOT / "Makefile", top)
    shutil.copy(ROOT / "pyproject.toml", top)
    (top / "hinton06").mkdir()
    shutil.copy(ROOT / "hinton06" / "native.c", top / "hinton06")
    (top / ".venv").mkdir()
    (top / ".venv" / "installed").touch()
    return top


def make(folder: Path, *arguments: str) -> str:
    """Run make with this Python in place of a new environment's."""
    command = ["make", *arguments, "DATA=digits", f"HINTON06={sys.executable} -m hinton06"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    """What `make quick` prints."""
    return make(folder, "quick")


def test_make_quick_trains_every_net_and_prints_the_table(folder: Path, printed: str) -> None:
    runs = folder / "runs" / "quick"
    made = {name: checkpoint.load(runs / name) for name in FILES}
    assert all(found.complete for found in made.values())
    assert "missing" not in printed
    assert "not pre-trained" in printed

    # Each arrow of the graph: every net starts from, or stops at, what the file before recorded.
    for split in "abc":
        stack, net = made[f"pretrain-{split}.h5"], made[f"bp-{split}.h5"]
        extended = made[f"bp-{split}-extended.h5"]
        assert net.arguments["start"] == stack.digest()
        assert extended.arguments["start"] == net.digest()
        assert extended.outcome["target_cost"] == net.outcome["train"]["cost_per_100"]
        assert extended.outcome["train"]["cases"] == 600
    costs = [made[f"bp-{split}.h5"].outcome["train"]["cost_per_100"] for split in "abc"]
    target = made["bp-not-pretrained.h5"].outcome["target_cost"]
    assert target == pytest.approx(sum(costs) / 3)
    table = json.loads((runs / "table1" / "table1.json").read_text())
    assert all(row["measured"] for row in table["rows"])


@pytest.mark.usefixtures("printed")
def test_make_trains_only_what_is_missing(folder: Path) -> None:
    runs = folder / "runs" / "quick"
    before = {name: (runs / name).stat().st_mtime_ns for name in FILES}
    digest = checkpoint.load(runs / "bp-b-extended.h5").digest()
    (runs / "bp-b-extended.h5").unlink()
    make(folder, "quick")
    changed = {name for name in FILES if (runs / name).stat().st_mtime_ns != before[name]}
    assert changed == {"bp-b-extended.h5"}
    assert checkpoint.load(runs / "bp-b-extended.h5").digest() == digest


def test_another_seed_is_another_replica_in_a_folder_of_its_own(folder: Path) -> None:
    goal = "runs/quick-seed1/pretrain-a.h5"
    make(folder, goal, "SEED=1", "RECIPE=quick", "RUNS=runs/quick-seed1")
    assert checkpoint.load(folder / goal).arguments["seed"] == 1


@pytest.mark.usefixtures("printed")
def test_make_replicas_trains_every_seed_and_prints_their_spread(folder: Path) -> None:
    shown = make(folder, "replicas", "RECIPE=quick", "RUNS=runs/quick", "SEEDS=0 1")
    assert "seeds 0, 1," in shown
    assert "missing" not in shown
    nets = {
        (seed, name): checkpoint.load(folder / "runs" / f"quick{end}" / name)
        for seed, end in ((0, ""), (1, "-seed1"))
        for name in FILES
    }
    assert all(net.complete and net.arguments["seed"] == seed for (seed, _), net in nets.items())
    saved = json.loads((folder / "runs" / "quick" / "replicas" / "replicas.json").read_text())
    errors = saved["rows"][0]["test_errors"]["by_seed"]
    for seed in (0, 1):
        assert errors[str(seed)] == nets[seed, "bp-a.h5"].outcome["test"]["errors"]


def test_make_translated_trains_a_net_of_translated_images_and_prints_its_table(
    folder: Path,
) -> None:
    moved = ("RECIPE=quick", "RUNS=runs/moved", "MOVED=--translations 1")
    printed = make(folder, "translated", *moved)
    assert "0.65 %" in printed
    names = ("pretrain-translated-a", "bp-translated-a", "bp-translated-a-extended")
    stack, net, extended = (checkpoint.load(folder / f"runs/moved/{name}.h5") for name in names)
    assert net.arguments["start"] == stack.digest()
    assert extended.arguments["start"] == net.digest()
    assert extended.outcome["train"]["cases"] == 5 * 600


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
    few = ("RECIPE=quick", "RUNS=runs/few", "LABELLED=100", "SIZES=20-10 30", "RANDOM_RATES=0.1")
    short = ("PATIENT=--max-epochs 3", "OWN_UPDATES=20")
    printed = make(folder, "unlabelled", *few, "RATES=0.2 0.1", *short)
    assert "nothing" in printed
    assert "labelled images" in printed
    nets = folder / "runs" / "few" / "unlabelled"
    assert len(list(nets.glob("*.h5"))) == 2 + 4 + 2 + 2 + 4
    own = checkpoint.load(nets / "pretrain-20-10-a-100-images.h5")
    assert own.arguments["labelled"] == 100
    assert own.arguments["settings"]["passes"] == 20
    own_net = checkpoint.load(nets / "bp-20-10-a-100-images-0.1.h5")
    assert own_net.arguments["start"] == own.digest()
    assert own_net.arguments["images"] == own_net.outcome["train"]["cases"] == 100
    stack = checkpoint.load(nets / "pretrain-20-10-a.h5")
    net = checkpoint.load(nets / "bp-20-10-a-100-labelled-0.1.h5")
    random = checkpoint.load(nets / "bp-not-pretrained-30-a-100-labelled-0.1.h5")
    assert net.arguments["start"] == stack.digest()
    assert (
        net.arguments["settings"]["rate"] == random.arguments["settings"]["all_cases_rate"] == 0.1
    )
    assert net.arguments["labelled"] == random.arguments["labelled"] == 100
    rows = json.loads((nets / "unlabelled" / "unlabelled.json").read_text())["rows"]
    assert len(rows) == 10
