"""Log Z and log p of stacks and generative nets, beside what is published of one of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hinton06 import mnist, provenance, records
from hinton06.estimation import Likelihood
from hinton06.evaluation import PARTS, CaseSelection
from hinton06.likelihood import Estimate
from hinton06.recipes import LikelihoodSettings
from hinton06.records import Tree
from hinton06.report.files import NoRunsError, ReportError, conditions, names_apart
from hinton06.report.table import Column, Row, Table

WIDE_GAP = 3.0
"""Nats between the two estimates of log Z that are worth a note."""

PUBLISHED_TEST = {("CD-25", 500): -86.34}
"""Mean log p of MNIST's test images, by how an RBM was learned and its features: Salakhutdinov and
Murray (2008)."""

_NOT_PUBLISHED = {"cases", "images", "translations", "affine", "elastic"}
_LAST = "published, test"
_WITH_LABELS = "images with labels"


def _log_z(name: str) -> Callable[[Row], str]:
    """An estimate and its interval; an exact value alone.

    Where one end is open a few chains outweigh all others, and tell nothing of the other end: of
    any number of chains it is no further than log 4 away.
    """

    def cell(row: Row) -> str:
        if row[name] is None:
            return ""
        value = f"{row[name]:.2f}"
        if row["exact"]:
            return value
        ends = ["?", "?"] if _is_open(row, name) else [f"{end:.2f}" for end in _ends(row, name)]
        return f"{value} [{', '.join(ends)}]"

    return cell


def _ends(row: Row, name: str) -> tuple[Any, Any]:
    return row[f"{name}_low"], row[f"{name}_high"]


def _is_open(row: Row, name: str) -> bool:
    """Whether there is an estimate of log Z, and no interval."""
    return row[name] is not None and not row["exact"] and None in _ends(row, name)


_COLUMNS = (
    Column("net", "{net}", left=True),
    Column("units", "{units}", left=True),
    Column("learned by", "{learned_by}", left=True),
    Column("log p of", "{of}", left=True),
    Column("log Z", _log_z("log_z")),
    Column("from above", _log_z("log_z_above")),
    Column("gap", "{gap:.2f}"),
    *(Column(part, f"{{{part}_log_p:.2f}} ({{{part}_standard_error:.2f}})") for part in PARTS),
    Column(_LAST, "{published_test:.2f}"),
)


def table(
    found: Sequence[Likelihood],
    settings: LikelihoodSettings,
    selection: CaseSelection,
    seed: int,
    threads: int,
) -> Table:
    """A row for each model; saved with the settings, and the versions of this installation."""
    made = {"settings": dataclasses.asdict(settings), "seed": seed, "threads": threads}
    made |= {"cases": selection.cases, "provenance": provenance.describe()}
    names = names_apart([each.file.path for each in found])
    rows = [_row(each, name, settings.binary) for each, name in zip(found, names, strict=True)]
    return _table(rows, _legend(rows, settings, selection.cases, seed), made)


def saved(folder: Path) -> Table:
    """What `likelihood --save` wrote into a folder of runs, or where `make likelihood` has it.

    Raises `NoRunsError` if there is nothing, `ReportError` if it is not what this package writes.
    """
    places = [folder, *sorted(folder.glob("*/")), *sorted(folder.glob("likelihood/*/"))]
    rows, legend = [], list[str]()
    for path in (place / "likelihood.json" for place in places):
        try:
            document = json.loads(path.read_text("utf-8"))
            settings = records.from_tree(LikelihoodSettings, document["settings"], "setting")
            rows += document["rows"]
            legend += _legend(document["rows"], settings, document.get("cases"), document["seed"])
            _table(rows, legend, {}).markdown()  # all that a row must have is there
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReportError(f"{path}: not a table of likelihoods ({error})") from None
    if not rows:
        raise NoRunsError(f"no likelihood.json in {folder}")
    return _table(rows, list(dict.fromkeys(legend)), {})


def _table(rows: list[Tree], legend: list[str], made: Tree) -> Table:
    """Without the columns that are empty."""
    filled = {part for part in PARTS if any(row[f"{part}_log_p"] is not None for row in rows)}
    if any(row["published_test"] for row in rows):
        filled.add(_LAST)
    columns = [c for c in _COLUMNS if c.heading in filled or c.heading not in (*PARTS, _LAST)]
    notes = list(dict.fromkeys(filter(None, map(_note, rows))))
    return Table(columns, rows, name="likelihood", legend=legend, notes=notes, extra=made)


def _legend(
    rows: list[Tree], settings: LikelihoodSettings, cases: int | None, seed: int
) -> list[str]:
    grey = "drawn with their grey values as probabilities" if settings.binary == "drawn" else (
        "on from a grey value of one half"
    )  # fmt: skip
    sampled = (
        f"by annealed importance sampling ({settings.chains:,} chains, "
        f"{settings.temperatures:,} temperatures), in brackets three standard errors on each side"
    )
    back = (
        f"by the way back, from training images after {settings.rounds:,} rounds of Gibbs sampling"
    )
    lower, log_z = "", "log Z: exact."
    if any(not row["exact"] for row in rows):
        lower = " With log Z from above it is lower by the gap."
        log_z = (
            f"log Z: exact, or {sampled}. From above: {back}, as far as these are the model's "
            "samples."
        )
    if any(_is_open(row, name) for row in rows for name in ("log_z", "log_z_above")):
        log_z += " [?, ?]: a few chains outweigh all others, and there is no interval."
    kinds = {row["of"] for row in rows}
    alone = "alone, or with their labels" if len(kinds) > 1 else "alone"
    if kinds == {_WITH_LABELS}:
        alone = "with their labels"
    lines = [
        f"Nats. log p: mean over images, in brackets one standard error, of the images {alone}; of "
        f"more than one layer a lower bound on it.{lower}",
        log_z,
        f"Pixels are binary: {grey}, by seed {seed}.",
    ]
    if cases is not None:
        lines.append(f"At most {cases:,} cases of each part, drawn with seed {seed}.")
    return lines


def _note(row: Row) -> str:
    """That two estimates are too far apart to say much, if they are, and why."""
    gap, which = row["gap"], f"{row['net']}, {row['units']}"
    if gap is None or abs(gap) <= WIDE_GAP:
        return ""
    if gap < 0:
        more = (
            f"log Z of {which}, is {-gap:.0f} nats more from below than on the way back from images"
        )
        return f"{more}: it has states that no image leads to"
    apart = f"the two estimates of log Z of {which} are {gap:.0f} nats apart"
    return f"{apart}; more --temperatures bring them together"


def _row(found: Likelihood, net: str, binary: str) -> Tree:
    """Everything that was measured of one model, of images made `binary` so, by name."""
    file, log_z = found.file, found.log_z
    model, sizes = file.model, [file.model.n_pixels, *(len(b) for _, b in file.kind.up(file.model))]
    n_layers = found.layer or len(sizes) - 1
    learned_by = file.kind.rule(file.settings)
    labels = model.n_classes if n_layers == len(sizes) - 1 else 0
    like_it = not labels and n_layers == 1 and not conditions(file) & _NOT_PUBLISHED
    on_mnist = file.lineage.data == mnist.SHA256 and like_it and binary == "drawn"
    row: Tree = {
        "net": net,
        "layer": found.layer,
        "units": "-".join(map(str, sizes[: n_layers + 1])),
        "label_units": labels,
        "learned_by": learned_by,
        "of": _WITH_LABELS if found.labelled else "images",
        "bound": n_layers > 1,
        "exact": log_z.exact is not None,
        "log_z": log_z.value,
        **_sides("log_z", log_z.below),
        "log_z_above": log_z.above and log_z.above.log_z,
        **_sides("log_z_above", log_z.above),
        "gap": log_z.gap,
        "annealed_from_features": log_z.turned,
    }
    for part in PARTS:
        own = found.log_ps.get(part)
        row |= {f"{part}_cases": own and own.cases, f"{part}_log_p": own and own.mean}
        row[f"{part}_standard_error"] = own and own.standard_error
    row["published_test"] = PUBLISHED_TEST.get((learned_by, sizes[1])) if on_mnist else None
    return row | {"seconds": found.seconds, "sha256": file.digest}


def _sides(name: str, estimate: Estimate | None) -> Tree:
    fields = ("low", "high", "log_weight_sd", "effective_size")
    return {f"{name}_{field}": getattr(estimate, field, None) for field in fields}
