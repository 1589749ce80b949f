"""Which dropout: many nets at once on one graphics card, compared by their validation errors.

    python experiments/beyond/search.py experiments/beyond/plan.txt search.csv --seconds 165

A line of the plan are options of ``finetune-bp --dropout``, of what is learned in each of its nets;
before a ``|`` there may be options of ``pretrain``. Lines of one pretraining share their stacks, so
many draws (``--seeds``) of the three splits; each net has the draws of a seed and split whatever
its line is, and so lines differ by their settings alone. All lines learn side by side, each until
its rate has fallen. The test cases are not read.

Within ``--seconds``, the start of Python included, as many of the first lines are learned to their
end as time allows: what an epoch takes is measured, and lines that are too many leave. A row of the
CSV is a net; it is written anew every few epochs, so that what was learned is never lost.
"""

from __future__ import annotations

import argparse
import csv
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from hinton06 import cases, mnist
from hinton06.cli.options import recipe_options
from hinton06.learning import settings_of
from hinton06.many.classifiers import Classifiers, gathered
from hinton06.many.place import Draws, Place
from hinton06.many.rbms import Stacks
from hinton06.models import Classifier
from hinton06.recipes import RECIPES, conditions
from hinton06.streams import Use

RECIPE = RECIPES["tr2006"]
COLUMNS = (
    "line", "pretrain", "finetune_bp", "seed", "split", "epochs", "kept", "valid_errors",
    "valid_cost", "last_errors", "last_cost",
)  # fmt: skip
SAVED_EVERY = 10
"""Epochs."""
TIMED = 3, 6
"""Epochs between which time is taken: not those in which kernels are compiled."""


@dataclass(frozen=True)
class Line:
    """Of the plan: as it is written, and settings."""

    number: int
    texts: tuple[str, str]
    pretrain: Any
    backprop: Any


@dataclass(frozen=True)
class Job:
    """A net to be learned."""

    line: Line
    seed: int
    split: str


class Searched(Classifiers):
    """Nets of which validation alone says anything, up to the end of their schedule."""

    def _measure(self, better: Sequence[int], rows: list[dict[str, float]]) -> None:
        """Nothing: training cases are not asked, and no net is kept."""

    def done(self) -> list[int]:
        """Those whose rate has fallen; without a schedule, those that a rule or a cap ends."""
        return [
            net
            for net, course in enumerate(self.courses)
            if course.epoch >= (course.settings.epochs or course.settings.max_epochs)
            or (not course.settings.epochs and course.rule_met())
        ]


def parsed(part: str, text: str) -> dict[str, Any]:
    """The options of a command that are given."""

    @click.command(part)
    @recipe_options(part)
    def command(**given: Any) -> dict[str, Any]:
        return given

    found: dict[str, Any] = command.main(shlex.split(text), part, standalone_mode=False)
    return found


def read_plan(text: str, quick: dict[str, Any]) -> list[Line]:
    """Each line that is not empty or a comment; all pretraining with the `quick` values."""
    lines = []
    for row in text.splitlines():
        if not row.strip() or row.startswith("#"):
            continue
        before, bar, after = row.partition("|")
        texts = (before.strip(), after.strip()) if bar else ("", row.strip())
        pretrain = replace(settings_of(RECIPE, "pretrain", parsed("pretrain", texts[0])), **quick)
        given = {"dropout": True} | parsed("backprop", texts[1])
        dropout = given["dropout"] = given["dropout"] is not False
        backprop = settings_of(RECIPE, "backprop", given, conditions(dropout=dropout))
        lines.append(Line(len(lines) + 1, texts, pretrain, backprop))
    return lines


def learn_stacks(
    jobs: Sequence[Job], place: Place, digits: mnist.Digits, arrays: Sequence[Any]
) -> dict[tuple[Any, int, str], Classifier]:
    """A classifier on the stack of each pretraining, seed and split."""
    images, labels = arrays
    made: dict[tuple[Any, int, str], Classifier] = {}
    for settings in dict.fromkeys(job.line.pretrain for job in jobs):
        nets = list(dict.fromkeys((j.seed, j.split) for j in jobs if j.line.pretrain == settings))
        draws = Draws(place, [(seed, Use.PRETRAINING, split) for seed, split in nets])
        own = [cases.split_of(digits, split).train for _, split in nets]
        rows = place.put(np.stack(own).astype(np.int64))
        layers = [[settings] * len(settings.layers)] * len(nets)
        stacks = Stacks(place, draws, layers, images, labels, rows)
        while not stacks.finished():
            stacks.run_epoch(lambda _: None)
        for (seed, split), stack in zip(nets, stacks.models(), strict=True):
            made[settings, seed, split] = Classifier.on_stack(stack, digits.n_classes)
        place.release()
    return made


def begin(
    jobs: Sequence[Job], nets: Sequence[Classifier], place: Place, digits: mnist.Digits,
    arrays: Sequence[Any],
) -> Searched:  # fmt: skip
    """All nets, side by side."""
    splits = [cases.split_of(digits, job.split) for job in jobs]
    rows, valid = (
        place.put(np.stack([getattr(s, part) for s in splits]).astype(np.int64))
        for part in ("train", "valid")
    )
    draws, masks = (
        Draws(place, [(job.seed, use, job.split) for job in jobs])
        for use in (Use.BACKPROP, Use.DROPOUT)
    )
    return Searched(
        place, draws, [job.line.backprop for job in jobs], gathered(place, nets), *arrays, rows,
        valid, masks=masks,
    )  # fmt: skip


def row_of(job: Job, course: Any) -> dict[str, Any]:
    """One net, for the CSV."""
    errors, costs = course.valid_errors, course.valid_costs
    kept = int(np.argmin(errors))
    values = (
        job.line.number, *job.line.texts, job.seed, job.split, len(errors), kept + 1, errors[kept],
        f"{costs[kept]:.4f}", errors[-1], f"{costs[-1]:.4f}",
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def save(path: Path, found: dict[Job, Any]) -> None:
    """Each net that has been validated, by lines."""
    rows = [row_of(job, course) for job, course in found.items() if course.valid_errors]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def search(jobs: list[Job], learner: Searched, out: Path, ends_at: float) -> dict[Job, Any]:
    """Each net to the end of its schedule; lines that time does not allow leave."""
    found, epoch = dict(zip(jobs, learner.courses, strict=True)), 0
    timed = 0.0
    while jobs:
        learner.run_epoch(lambda _: None)
        epoch += 1
        if epoch == TIMED[0]:
            timed = time.monotonic()
        if epoch == TIMED[1]:
            each = (time.monotonic() - timed) / (TIMED[1] - TIMED[0]) / len(jobs)
            left = [(j.line.backprop.epochs or j.line.backprop.max_epochs) - epoch for j in jobs]
            work = np.cumsum(left) * each
            fit = [j.line.number for j, w in zip(jobs, work, strict=True)
                   if w > ends_at - time.monotonic()]  # fmt: skip
            last = min(fit, default=len(jobs) + 1)
            late = [j for j in jobs if j.line.number >= last > 1]
            print(f"{each * len(jobs):.2f} s an epoch of {len(jobs)} nets", flush=True)
            if late:
                print(f"no time for line {last} and after it", flush=True)
                found = {job: course for job, course in found.items() if job not in late}
            jobs = keep(jobs, learner, [j not in late for j in jobs])
        elif time.monotonic() > ends_at:
            print(f"time is over after {epoch} epochs", flush=True)
            break
        done = learner.done()
        if done:
            jobs = keep(jobs, learner, [net not in done for net in range(len(jobs))])
        if epoch % SAVED_EVERY == 0:
            save(out, found)
    save(out, found)
    return found


def keep(jobs: list[Job], learner: Searched, stay: Sequence[bool]) -> list[Job]:
    """Those that learn on."""
    places = [net for net, stays in enumerate(stay) if stays]
    if places and len(places) < len(jobs):
        learner.keep(places)
    return [jobs[net] for net in places]


def summary(found: dict[Job, Any]) -> None:
    """Of each line: validation errors of three nets, mean over draws with its standard error."""
    for line in dict.fromkeys(job.line for job in found):
        sums: dict[int, int] = {}
        for job, course in found.items():
            if job.line == line:
                sums[job.seed] = sums.get(job.seed, 0) + min(course.valid_errors)
        errors = np.array(list(sums.values()), float)
        spread = errors.std(ddof=1) / np.sqrt(len(errors)) if len(errors) > 1 else float("nan")
        text = " | ".join(filter(None, line.texts)) or "as the recipe"
        print(f"{line.number}: {errors.mean():.1f} +- {spread:.1f}  {text}", flush=True)


def main() -> None:
    """The command line."""
    about = argparse.ArgumentParser(description=__doc__)
    about.formatter_class = argparse.RawDescriptionHelpFormatter
    about.add_argument("plan", type=Path)
    about.add_argument("out", type=Path, help="the CSV to write")
    about.add_argument("--seeds", type=int, default=4, help="draws of the three splits")
    about.add_argument("--seconds", type=float, default=165.0)
    about.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    about.add_argument("--quick", action="store_true", help="small stacks, to see that it works")
    given = about.parse_args()
    began = time.monotonic() - time.process_time()  # what was imported took about as long
    quick = {"layers": (20, 20, 30), "passes": 1} if given.quick else {}
    lines = read_plan(given.plan.read_text("utf-8"), quick)
    jobs = [
        Job(line, seed, split)
        for line in lines
        for seed in range(given.seeds)
        for split in mnist.SPLITS
    ]
    digits, place = mnist.load(), Place(given.device)
    with place.used():
        arrays = place.put(digits.train_images), place.put(digits.train_classes.astype(np.int64))
        stacks = learn_stacks(jobs, place, digits, arrays)
        print(f"stacks after {time.monotonic() - began:.0f} s", flush=True)
        nets = [stacks[job.line.pretrain, job.seed, job.split] for job in jobs]
        learner = begin(jobs, nets, place, digits, arrays)
        found = search(jobs, learner, given.out, began + given.seconds)
    summary(found)
    print(f"{len(found)} nets in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
