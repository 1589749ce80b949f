"""What the features of each layer are worth: a softmax on them alone, and nets of so many layers.

``layers.py FILE... --out RECORD`` takes stacks, and nets that backpropagation learned above them or
from random weights, of the same splits (`make layers`). On the pixels, and on the features of each
layer of each stack, which stay as they are, a softmax learns the labels, at several rates of which
validation errors choose. ``layers.csv`` has a line for each softmax and each net, and how far
backpropagation moved the weights of a stack that is given too; ``layers.md`` and ``layers.json``
have the means over splits.

"The hope is that the features in the higher layers will be much more useful for classification than
the raw inputs or the features in lower layers. As we shall see, this is not just wishful thinking."
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from hinton06 import native
from hinton06.backprop import DiscriminativeFineTuning
from hinton06.cases import cases_held_out, cases_learned, random_stream
from hinton06.checkpoint import CheckpointError
from hinton06.console import stopped_in_a_line
from hinton06.lineage import VALIDATED
from hinton06.loading import RunFile, digits_of, load
from hinton06.mnist import DataError
from hinton06.models import Classifier
from hinton06.recipes import RECIPES
from hinton06.recognition import Cases, log_probs, score
from hinton06.report import files
from hinton06.report.files import conditions
from hinton06.report.table import Column, Table
from hinton06.stacking import features
from hinton06.streams import Use
from hinton06.training import RunError

RATES = 0.005, 0.02, 0.1, 0.5
SOFTMAX, PRETRAINED, RANDOM = "softmax alone", "pretrained", "not pretrained"
FEW = "on as many as the narrowest layer has"
SHOWN = SOFTMAX, FEW, PRETRAINED, RANDOM
PARTS = "train", "valid", "test"


# -- a softmax on features that stay -------------------------------------------------------------


def above(parts: Sequence[Cases], rbm: Any) -> list[Cases]:
    """The same cases, as the features of one RBM have them."""
    return [dataclasses.replace(cases, images=features(rbm, cases.images)) for cases in parts]


def some_of(parts: Sequence[Cases], n_features: int) -> list[Cases]:
    """The same cases with so many of their features, drawn once for all."""
    width = parts[0].images.shape[1]
    chosen = np.sort(np.random.default_rng(0).choice(width, n_features, replace=False))
    return [
        dataclasses.replace(each, images=np.take(each.images, chosen, axis=1)) for each in parts
    ]


def softmax(
    parts: Sequence[Cases], n_classes: int, rate: float, rng: np.random.Generator
) -> dict[str, Any]:
    """Learn the classes of vectors by a softmax, by the recipe's rules at a rate; its errors.

    `parts` are training, validation and test cases.
    """
    settings = dataclasses.replace(RECIPES["tr2006"].settings("backprop"), rate=rate)
    train, valid, test = parts
    size = train.images.shape[1], n_classes
    net = Classifier((np.zeros(size, np.float32),), (np.zeros(size[1], np.float32),))
    learner = DiscriminativeFineTuning(net, train, settings, rng, valid)
    while not learner.finished():
        learner.run_epoch(lambda _: None)
    errors = {
        f"{part}_errors": score(log_probs(learner.best, cases.images), cases.labels).errors
        for part, cases in zip(PARTS, (train, valid, test), strict=True)
    }
    about = {"rate": rate, "epochs": learner.selected.epoch, "capped": learner.capped}
    return about | errors | at_lowest_cost(learner.valid_costs, learner.valid_errors)


def at_lowest_cost(costs: Sequence[float], of_each: Sequence[int]) -> dict[str, int]:
    """The epoch of the lowest validation cost, and the validation errors after it.

    "There is strong tendency for the number of classification errors to continue to fall after the
    cross-entropy has bottomed-out on the validation data".
    """
    lowest = int(np.argmin(costs))
    return {"lowest_cost_epoch": lowest + 1, "valid_errors_then": int(of_each[lowest])}


def softmaxes(stack: RunFile) -> Iterator[dict[str, Any]]:
    """On the pixels and on each layer of a stack, at each rate."""
    digits, lineage = digits_of([stack], None), stack.lineage
    test = Cases(digits.test_images, digits.test_classes)
    parts = [cases_learned(digits, lineage), cases_held_out(digits, lineage), test]
    narrowest = min(rbm.n_hidden for rbm in stack.model)
    for number in range(len(stack.model) + 1):
        if number:
            parts = above(parts, stack.model[number - 1])
        sets = {SOFTMAX: parts}
        if number and stack.model[number - 1].n_hidden > narrowest:
            sets[FEW] = some_of(parts, narrowest)
        for learned, vectors in sets.items():
            for rate in RATES:
                rng = random_stream(lineage.seed, Use.BACKPROP, lineage.split)
                found = softmax(vectors, digits.n_classes, rate, rng)
                about = {"layers": number, "learned": learned, "split": lineage.split}
                yield about | found | {"moved": ""}


# -- whole nets ----------------------------------------------------------------------------------


def moved(net: RunFile, stacks: Sequence[RunFile]) -> str:
    """The length of the change of each layer's weights over their length in the stack below."""
    below = [stack for stack in stacks if stack.digest in (net.lineage.parents or ())]
    pairs = zip(below[0].model, net.model.weights[:-1], strict=True) if below else ()
    shares = [np.linalg.norm(own - r.weights) / np.linalg.norm(r.weights) for r, own in pairs]
    return " ".join(f"{share:.3f}" for share in shares)


def whole(net: RunFile, stacks: Sequence[RunFile]) -> dict[str, Any]:
    """How a net was learned, and its errors."""
    name = "all_cases_rate" if net.lineage.random_start else "rate"
    rate, usual = (vars(s)[name] for s in (net.settings, RECIPES[net.recipe].settings("backprop")))
    start = RANDOM if net.lineage.random_start else PRETRAINED
    start += "" if rate == usual else f", rate {rate:g}"
    about = {"layers": len(net.model.sizes) - 2, "learned": start, "split": net.lineage.split}
    about |= {"rate": rate, "epochs": net.outcome.epochs, "capped": net.outcome.capped}
    about |= {f"{part}_errors": net.outcome.scores[part].errors for part in PARTS}
    about |= at_lowest_cost(net.history["valid_cost"], net.history["valid_errors"])
    return about | {"moved": moved(net, stacks)}


def chosen(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each number of layers and each way the means over splits, at the better rate.

    Of the rates at which all splits are there.
    """
    found = []
    for layers, learned in sorted({(row["layers"], row["learned"]) for row in rows}):
        own = [row for row in rows if (row["layers"], row["learned"]) == (layers, learned)]
        splits = {r: {row["split"] for row in own if row["rate"] == r} for row in own
                  for r in (row["rate"],)}  # fmt: skip
        most = max(map(len, splits.values()))
        whole = [r for r, there in splits.items() if len(there) == most]
        rate = min(whole, key=lambda r: errors(own, r, "valid"))
        best = [row for row in own if row["rate"] == rate]
        of_all = {"layers": layers, "learned": learned, "rate": rate}
        of_all["splits"] = " ".join(sorted(row["split"] for row in best))
        for part in PARTS:
            of_each = [row[f"{part}_errors"] for row in best]
            of_all[part] = {
                "mean": statistics.mean(of_each), "low": min(of_each), "high": max(of_each)
            }  # fmt: skip
        found.append(of_all)
    return found


def errors(rows: Sequence[dict[str, Any]], rate: float, part: str) -> int:
    """Of all splits, at a rate."""
    return sum(row[f"{part}_errors"] for row in rows if row["rate"] == rate)


# -- the record ----------------------------------------------------------------------------------


def tabulated(best: Sequence[dict[str, Any]]) -> Table:
    """Test errors by layer."""
    cells = {(row["layers"], row["learned"]): row["test"] for row in best}
    columns = [Column("features of", "{layer}", left=True)]
    columns += [Column(name, f"{{{name}}}") for name in SHOWN]

    def cell(layers: int, learned: str) -> str:
        test = cells.get((layers, learned))
        return f"{test['mean']:.0f} ({test['low']}-{test['high']})" if test else ""

    rows = [
        {"layer": f"layer {number}" if number else "pixels"}
        | {name: cell(number, name) for name in SHOWN}
        for number in sorted({row["layers"] for row in best})
    ]
    return Table(columns, rows)


def checked(found: Sequence[RunFile]) -> tuple[list[RunFile], list[RunFile]]:
    """Stacks and nets; SystemExit, of one line, for what cannot stand beside the others."""
    for file in found:
        about = conditions(file) - {"random_start", "bits", "rounded_from"}
        kept = file.kind.name == "stack" or (
            file.kind.name == "classifier" and file.lineage.role == VALIDATED
        )
        if not kept or about:
            wanted = "stacks without labels, and nets that validation stopped, of all images"
            raise SystemExit(f"{file.path}: {' and '.join(about) or 'another kind'}; {wanted}")
        if file.lineage.data != found[0].lineage.data:
            raise SystemExit(f"{file.path}: not of the data of {found[0].path}")
    stacks = [file for file in found if file.kind.name == "stack"]
    if not stacks:
        raise SystemExit("no stack is given")
    return stacks, [file for file in found if file.kind.name == "classifier"]


def main() -> None:
    """Parse, learn, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    try:
        found = [load(path).finished() for path in given.files]
        stacks, nets = checked(found)
        started = time.process_time()
        with threadpool_limits(1), native.threads(1), np.errstate(all="ignore"):
            rows = [row for stack in stacks for row in softmaxes(stack)]
    except (RunError, CheckpointError, DataError) as error:
        raise SystemExit(str(error)) from None
    spent = time.process_time() - started
    rows += [whole(net, stacks) for net in nets]
    best = chosen(rows)
    table = Table([Column(name, "") for name in rows[0]], rows)
    files.save(given.out / "layers.csv", table.csv() + "\n")
    files.save(given.out / "layers.md", tabulated(best).markdown() + "\n")
    provenance = [file.provenance for file in found]
    made: dict[str, Any] = {
        name: sorted({p[name] for p in provenance if p.get(name)}) for name in ("git", "machine")
    }
    spent += sum(file.provenance["cpu_seconds"] for file in nets)
    document = {
        "chosen": best,
        "made": made | {"cpu_seconds_of_nets_and_softmaxes": spent},
        "files": list(map(files.file_values, found)),
    }
    files.save(given.out / "layers.json", json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
