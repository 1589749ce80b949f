"""The scripts of experiments/cluster under a real scheduler: a seed a job, stopped and requeued."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slurm
from test_end_to_end import FILES, ROOT, write

from hinton06.loading import load
from hinton06.mnist import Digits

VALUES = (
    "RECIPE=quick",
    "DATA=digits",
    "RUNS=runs/quick",
    f"HINTON06={sys.executable} -m hinton06",
)
SEEDS = (0, 1)

needs_slurm = pytest.mark.skipif(bool(slurm.missing()), reason="no slurmctld, slurmd and munged")


def clone(top: Path, digits: Digits, to_idx: Callable[[Any], bytes]) -> Path:
    """What the scripts need of a clone, and a few digits."""
    top.mkdir()
    write(top / "digits", digits, 1000, to_idx)
    for name in ("Makefile", "pyproject.toml", "hinton06/native.c"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, top / name)
    shutil.copytree(ROOT / "experiments/cluster", top / "experiments/cluster")
    (top / ".venv/bin").mkdir(parents=True)
    (top / ".venv/installed").touch()
    # Younger than what was installed: nothing is installed on a node all the same.
    os.utime(top / "pyproject.toml", (time.time() + 10, time.time() + 10))
    return top


@pytest.fixture(scope="module")
def looped(
    tmp_path_factory: pytest.TempPathFactory, shipped: Digits, to_idx: Callable[[Any], bytes]
) -> Path:
    """A clone where a plain loop over the seeds has run, undisturbed."""
    top = clone(tmp_path_factory.mktemp("looped") / "clone", shipped, to_idx)
    for seed in SEEDS:
        done = subprocess.run(
            ["sh", "experiments/cluster/seed.sh", str(seed), *VALUES],
            cwd=top, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return top


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm.Cluster]:
    with slurm.cluster(tmp_path_factory.mktemp("cluster") / "slurm") as running:
        yield running


def runs(top: Path, seed: int) -> Path:
    return top / "runs" / ("quick" if seed == 0 else f"quick-seed{seed}")


def assert_same_nets(one: Path, other: Path) -> None:
    """Every parameter of every net of both seeds, bit for bit."""
    for seed in SEEDS:
        for name in FILES:
            mine, theirs = (load(runs(top, seed) / name).model.parameters() for top in (one, other))
            assert mine.keys() == theirs.keys()
            for key, array in mine.items():
                np.testing.assert_array_equal(array, theirs[key], err_msg=f"{seed} {name} {key}")


def wait_for(cluster: slurm.Cluster, job: str, *states: str, seconds: float = 240) -> str:
    """The first of these states of a job, with how often it was queued again, that comes."""
    end = time.monotonic() + seconds
    while (state := cluster.state(job)) not in states:
        assert time.monotonic() < end, f"job {job} is {state}, not {', '.join(states)}"
        time.sleep(0.2)
    return state


@needs_slurm
def test_jobs_that_are_stopped_and_requeued_end_with_the_same_bits_and_the_table(
    cluster: slurm.Cluster,
    looped: Path,
    tmp_path: Path,
    shipped: Digits,
    to_idx: Callable[[Any], bytes],
) -> None:
    top = clone(tmp_path / "clone", shipped, to_idx)
    cluster.environment |= {"SBATCH_OPTIONS": "--cpus-per-task=1 --mem=500"}
    told = cluster.command("sh", "experiments/cluster/submit.sh", "0-1", *VALUES, cwd=top)
    array, table = told.split()

    logs = [top / f"runs/cluster/seed-{seed}.log" for seed in SEEDS]
    while not all(log.exists() and "pretrain a" in log.read_text() for log in logs):
        assert cluster.state(f"{array}_1") in ("PENDING 0", "RUNNING 0")
        time.sleep(0.1)
    # The limit is near, for the first: what the scheduler sends to its script two minutes before.
    cluster.command("scancel", "--batch", "--signal=USR1", f"{array}_0")
    # The second is sent away, as for a more urgent job.
    cluster.command("scontrol", "requeue", f"{array}_1")
    for seed, log in zip(SEEDS, logs, strict=True):
        wait_for(cluster, f"{array}_{seed}", "PENDING 1")
        assert "Terminated" in log.read_text()
        # Slurm lets a job that is queued again wait for two minutes.
        cluster.command("scontrol", "update", f"jobid={array}_{seed}", "starttime=now")

    ended = wait_for(cluster, table, "COMPLETED 0", "FAILED 0", "CANCELLED 0")
    printed = (top / "runs/cluster/table.log").read_text()
    assert ended == "COMPLETED 0", printed
    assert "seeds 0, 1" in " ".join(printed.split()), printed
    assert "hinton06 pretrain" not in printed  # it found every net
    assert_same_nets(looped, top)


@needs_slurm
def test_there_is_no_table_where_a_seed_failed(cluster: slurm.Cluster, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "experiments/cluster", tmp_path / "experiments/cluster")
    told = cluster.command("sh", "experiments/cluster/submit.sh", "3", cwd=tmp_path)  # no Makefile
    array, table = told.split()
    wait_for(cluster, f"{array}_3", "FAILED 0")
    wait_for(cluster, table, "CANCELLED 0")


@pytest.mark.skipif(shutil.which("parallel") is None, reason="no GNU parallel")
def test_gnu_parallel_makes_the_same_nets(
    looped: Path, tmp_path: Path, shipped: Digits, to_idx: Callable[[Any], bytes]
) -> None:
    top = clone(tmp_path / "clone", shipped, to_idx)
    done = subprocess.run(
        ["parallel", "--quote", "--jobs", "2", "sh", "experiments/cluster/seed.sh", "{}", *VALUES,
         ":::", *map(str, SEEDS)],
        cwd=top, env=os.environ | {"JOBS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert_same_nets(looped, top)
