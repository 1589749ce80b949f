"""How many features look like fingerprints, net by net; each feature's numbers beside them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from hinton06 import provenance
from hinton06.fingerprints import HALF, SPREAD, Features
from hinton06.loading import RunFile
from hinton06.recipes import PretrainSettings
from hinton06.records import Tree
from hinton06.report.files import names_apart
from hinton06.report.table import Column, Table

_COLUMNS = (
    Column("net", "{net}", left=True),
    Column("sparsity", "{sparsity}", left=True),
    Column("layer", "{layer}"),
    Column("features", "{features:,}"),
    Column("on", "{percent_on:.1f} %"),
    Column("half the time", "{half:,}"),
    Column("spread", "{spread:,}"),
    Column("fingerprints", "{fingerprints:,}"),
    Column("share", "{percent:.1f} %"),
)


def table(found: Sequence[Features], threads: int) -> Table:
    """A row for each layer of each net."""
    nets = names_apart([each.file.path for each in found])
    rows = list(map(_row, found, nets))
    names = {"train": "training cases", "test": "test cases"}
    parts = " and ".join(dict.fromkeys(names[row["part"]] for row in rows))
    low, high = HALF
    legend = [
        f"On: mean probability of a feature over {parts}, and over the features. Half the time: "
        f"from {low:g} to {high:g}, nearer to that than to never or always. Spread: the squared "
        "mean size of the weights over their mean square, pixels counted by their variance, is "
        f"{SPREAD:g} or more, as of equal weights on so much of the image. Fingerprints are both."
    ]
    numbered = [
        row | {"fingerprint_features": (np.flatnonzero(each.fingerprints) + 1).tolist()}
        for row, each in zip(rows, found, strict=True)
    ]
    return Table(
        _COLUMNS, rows, name="fingerprints", legend=legend, json_rows=numbered,
        extra={"threads": threads, "provenance": provenance.describe()},
        beside={"features.csv": lambda: _features_csv(found, nets)},
    )  # fmt: skip


def _row(found: Features, net: str) -> Tree:
    file, n = found.file, len(found.activities)
    counts = {"half": found.half, "spread": found.spread, "fingerprints": found.fingerprints}
    return {
        "net": net,
        "sparsity": _sparsity(file),
        "layer": found.layer,
        "features": n,
        "percent_on": 100 * float(found.activities.mean()),
        **{name: int(np.count_nonzero(which)) for name, which in counts.items()},
        "percent": 100 * float(found.fingerprints.mean()),
        "part": found.part,
        "cases": found.cases,
        "epochs_done": file.epochs_done,
        "sha256": file.digest if file.complete else None,
    }


def _sparsity(file: RunFile) -> str:
    """Target and cost that features are learned with, or whether they were in the pretraining."""
    settings = file.settings
    if isinstance(settings, PretrainSettings) and settings.sparsity_cost:
        return f"{settings.sparsity_target:g}, {settings.sparsity_cost:g}"
    return "before" if "sparsity_cost" in file.lineage.below else "none"


def _features_csv(found: Sequence[Features], nets: Sequence[str]) -> str:
    """Every feature, from 1, with what was measured of it."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["net", "layer", "feature", "on", "spread", "fingerprint"])
    for each, net in zip(found, nets, strict=True):
        columns = each.activities, each.spreads, each.fingerprints
        for number, (on, spread, both) in enumerate(zip(*columns, strict=True), 1):
            values = f"{on:.6g}", f"{spread:.6g}", int(both)
            writer.writerow([net, each.layer, number, *values])
    return written.getvalue()
