"""Recipes of the generative half beside each other, each on several seeds: many nets at once.

    python experiments/search/half.py experiments/beyond/half.txt runs/half.csv --seeds 0-3
    python experiments/search/many_table.py runs/half.csv

A line of the plan is ``recipe`` or options of ``finetune-cws``: how a net with labels learns by
contrastive wake-sleep from the recipe's stack. After a ``|`` there may be options of the mixed
gradient, which then follows (``--search-bp-weight``, if no ``--bp-weight`` is given), and before a
``>`` options of ``pretrain --labels``, of the top. Lines of the same top, or of the same wake-sleep
as well, share its nets.

A net's draws are those of `hinton06 replicate` up to wake-sleep, and others in the mixed gradient,
where that command has them depend on the file before. A line a net says what validation said of
the line's last step, and test cases are not read. What a killed run has written is not learned
again.
"""

from __future__ import annotations

import argparse
import csv
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from plans import NAMES, SINGLE, Net, Search, going_on, kept, line_of, row_of

from hinton06 import loading, mnist
from hinton06.cli.options import NUMBERS, recipe_options
from hinton06.console import stopped_in_a_line
from hinton06.many.place import DEVICES, Place
from hinton06.many.rbms import Stacks
from hinton06.many.wakesleep import GenerativeNets, gathered, models_of
from hinton06.mnist import SPLITS
from hinton06.models import DeepBeliefNet, Stack
from hinton06.recipes import RECIPES, PretrainSettings, WakeSleepSettings
from hinton06.streams import Use
from hinton06.training import RunError

COLUMNS = ["finetune-cws", "mixed", *NAMES[2:]]


@dataclass(frozen=True)
class Line:
    """Options as written, and settings: of the top, of wake-sleep, of the mixed gradient."""

    texts: tuple[str, str]
    top: PretrainSettings
    alone: WakeSleepSettings
    mixed: WakeSleepSettings | None


def parsed(part: str, text: str) -> dict[str, Any]:
    """Values of the options of a part of the recipe, by name; None of those not given."""

    @click.command()
    @recipe_options(part)
    def command(**given: Any) -> dict[str, Any]:
        return given

    found: dict[str, Any] = command.main(shlex.split(text), "", standalone_mode=False)
    return found


def of_top(text: str, recipe: Any) -> PretrainSettings:
    """Settings of ``pretrain --labels --on`` with such options."""
    try:
        given = parsed("pretrain", text)
        found: PretrainSettings = recipe.settings_with("pretrain", given, labels=True)
    except (click.ClickException, ValueError) as error:
        raise SystemExit(f"{text}: {getattr(error, 'message', error)}") from None
    if odd := [name for name in SINGLE if given.get(name) is not None]:
        raise SystemExit(f"{text}: no setting --{odd[0].replace('_', '-')}")
    if found.layers != recipe.pretrain.layers:
        raise SystemExit(f"{text}: the layers are the recipe's")
    return found


def settings(text: str, recipe: Any, mixed: bool) -> WakeSleepSettings:
    """Of ``finetune-cws`` with such options."""
    try:
        given = parsed("wakesleep", text)
        if mixed and given["bp_weight"] is None:
            given["search_bp_weight"] = True
        found = recipe.settings_with("wakesleep", given, labels=True)
    except (click.ClickException, ValueError) as error:
        raise SystemExit(f"{text}: {getattr(error, 'message', error)}") from None
    if found.mixed != mixed or found.generative != "wake-sleep" or (found.dropout and not mixed):
        raise SystemExit(f"{text}: of {'the mixed gradient' if mixed else 'wake-sleep'} alone")
    return found


def read_plan(path: Path, recipe: Any) -> list[Line]:
    """Its lines, without comments."""
    found = []
    for whole in path.read_text("utf-8").splitlines():
        line = whole.partition("#")[0].strip()
        before, bar, after = (part.strip() for part in line.partition("|"))
        if not line:
            continue
        top, over, alone = (part.strip() for part in before.rpartition(">"))
        alone = alone.removeprefix("recipe").strip()
        texts = f"{top} > {alone}".strip() if over else alone, f"| {after}".strip() if bar else ""
        mixed = settings(after, recipe, True) if bar else None
        found.append(Line(texts, of_top(top, recipe), settings(alone, recipe, False), mixed))
    return list({line.texts: line for line in found}.values())


class Half(Search):
    """Where many generative nets learn."""

    def tops(
        self, own: PretrainSettings, nets: Sequence[Net], stacks: Sequence[Stack]
    ) -> list[DeepBeliefNet]:
        """Nets of stacks under new tops that learned the labels too."""
        learner = Stacks(
            self.place, self._draws(nets, Use.PRETRAINING_ON_STACK),
            [[own] * len(own.layers)] * len(nets), self.images, self.labels,
            self._rows(nets, "train"), [stack[:-1] for stack in stacks], self.digits.n_classes,
        )  # fmt: skip
        while not learner.finished():
            learner.run_epoch(lambda _: None)
        return [DeepBeliefNet.untied(model) for model in learner.models()]

    def learned(
        self, asked: WakeSleepSettings, nets: Sequence[Net], starts: Sequence[DeepBeliefNet]
    ) -> Iterator[tuple[Net, Any, DeepBeliefNet]]:
        """What validation said of each net, and the net that it chose."""
        use = Use.WAKE_SLEEP_AGAIN if asked.mixed else Use.WAKE_SLEEP
        masks = self._draws(nets, Use.DROPOUT) if asked.dropout else None
        moves = self._draws(nets, Use.NEIGHBOURS) if asked.neighbours else None
        learner = GenerativeNets(
            self.place, self._draws(nets, use), [asked] * len(nets), gathered(self.place, starts),
            self.digits.n_classes, self.images, self.labels, self._rows(nets, "train"),
            self._rows(nets, "valid"), masks=masks, moves=moves,
        )  # fmt: skip
        while not learner.done():  # the schedule ends for all at once
            learner.run_epoch(lambda _: None)
        models = models_of(learner.results(range(len(nets))), self.digits.n_classes)
        yield from zip(nets, learner.courses, models, strict=True)


def learn(
    half: Half, recipe: Any, plan: Sequence[Line], nets: Sequence[Net], done: set[tuple[str, ...]]
) -> Iterator[dict[str, Any]]:
    """Every line that is not done of all of these nets; wake-sleep that several need only once."""
    left = [
        line
        for line in plan
        if any((*line.texts, str(seed), split) not in done for seed, split in nets)
    ]
    stacks = half.stacks(line_of("|", recipe), nets) if left else []
    by_start: dict[tuple[PretrainSettings, WakeSleepSettings], list[Line]] = {}
    for line in left:
        by_start.setdefault((line.top, line.alone), []).append(line)
    tops: dict[PretrainSettings, list[DeepBeliefNet]] = {}
    for (top, alone), lines in by_start.items():
        print(f"{lines[0].texts[0]}: {len(nets)} nets", file=sys.stderr, flush=True)
        if top not in tops:
            tops = {top: half.tops(top, nets, stacks)}
        woken = list(half.learned(alone, nets, tops[top]))
        for line in lines:
            if line.mixed is None:
                found = woken
            else:
                print(" ".join(line.texts), file=sys.stderr, flush=True)
                found = list(half.learned(line.mixed, nets, [model for *_, model in woken]))
            for net, course, _ in found:
                if (*line.texts, str(net[0]), net[1]) not in done:
                    row = row_of(replace(LINE, texts=line.texts), net, course)
                    yield dict(zip(COLUMNS, row.values(), strict=True))


LINE = line_of("|", RECIPES["tr2006"])
"""Of a plan of backpropagation, for what rows have in common."""


def main() -> None:
    """Learn what the plan says; one line a net."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("plan", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", default="0-3", help="as 0-3 or 1,5,7-9")
    parser.add_argument("--device", choices=DEVICES, default="cuda")
    parser.add_argument("--recipe", choices=RECIPES, default="tr2006")
    parser.add_argument("--data", type=Path, help="another folder of images than MNIST")
    given = parser.parse_args()
    nets = [(n, split) for n in NUMBERS.convert(given.seeds, None, None) for split in SPLITS]
    recipe = RECIPES[given.recipe]
    plan, before = read_plan(given.plan, recipe), kept(given.out, COLUMNS)
    done = {tuple(row[name] for name in COLUMNS[:4]) for row in before}
    place, digits = Place(given.device), loading.digits_of([], given.data, False)
    with going_on(given.out, before, COLUMNS) as file, place.used():
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        for row in learn(Half(place, digits), recipe, plan, nets, done):
            table.writerow(row)
            file.flush()


if __name__ == "__main__":
    try:
        with stopped_in_a_line():
            main()
    except (RunError, mnist.DataError) as error:
        sys.exit(str(error))
