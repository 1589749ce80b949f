"""Two nets case by case: which alone is right how often, and the cases that they differ in."""

from __future__ import annotations

import numpy as np

from hinton06.evaluation import Comparison, mcnemar
from hinton06.mnist import Digits
from hinton06.recipes import counted
from hinton06.records import Tree
from hinton06.report.table import Column, Row, Table


def counts(comparison: Comparison) -> Tree:
    """How many cases both, one alone or neither of the nets recognises, and McNemar's test."""
    one, other = comparison.right
    differ = np.not_equal(*comparison.guesses)
    first, second = int((one & ~other).sum()), int((other & ~one).sum())
    return {
        "cases": len(one),
        "first_errors": int((~one).sum()),
        "second_errors": int((~other).sum()),
        "both_right": int((one & other).sum()),
        "first_alone_right": first,
        "second_alone_right": second,
        "neither_right": int((~one & ~other).sum()),
        "different_guesses": int(differ.sum()),
        "p_value": mcnemar(first, second),
    }


def table(comparison: Comparison, digits: Digits, shown: int) -> Table:
    """So many of the cases in which the guesses differ, and the test; the records have all.

    Those in which a wrong guess is surest go first.
    """
    found, records = counts(comparison), _records(comparison)
    first, second = comparison.names
    different = found["different_guesses"]
    differ = f"The guesses differ in {counted(f'{different:,}', 'case')}"
    if shown < len(records):
        differ += f": here the first {shown:,}, in CSV and JSON all"
    alone = found["first_alone_right"] + found["second_alone_right"]
    legend = [
        f"Of {found['cases']:,} test cases {first} gets {found['first_errors']:,} wrong, {second} "
        f"{found['second_errors']:,}. {first} alone gets {found['first_alone_right']:,} right, "
        f"{second} alone {found['second_alone_right']:,}, neither {found['neither_right']:,}. "
        f"{differ}.",
        f"McNemar's test, exact: p = {found['p_value']:.2g}, how often chance alone would part "
        f"{counted(f'{alone:,}', 'case')} at least as unevenly.",
    ]
    return Table(
        _columns(first, second),
        records[:shown],
        name="compare",
        legend=legend,
        records=records,
        extra={"nets": list(comparison.names), "data": digits.sha256, **found},
        beside={"compare.png": lambda: _picture(digits, records[:shown])} if records else {},
    )


def _records(comparison: Comparison) -> list[Tree]:
    probs = [np.exp(array.astype(np.float64)) for array in comparison.log_probs]
    records, named = [], comparison.classes
    for case in np.flatnonzero(np.not_equal(*comparison.guesses)):
        label = comparison.labels[case]
        row: Tree = {"case": int(case), "label": named[label]}
        of_each = zip(("first", "second"), comparison.guesses, probs, strict=True)
        for name, guesses, own in of_each:
            guess = guesses[case]
            row |= {name: named[guess], f"{name}_probability": float(own[case, guess])}
            row[f"{name}_probability_of_label"] = float(own[case, label])
        records.append(row | {"right": _right(row)})
    return sorted(records, key=_surest_error, reverse=True)


def _right(row: Row) -> str:
    return next((name for name in ("first", "second") if row[name] == row["label"]), "neither")


def _surest_error(row: Row) -> float:
    wrong = [name for name in ("first", "second") if name != row["right"]]
    return max(float(row[f"{name}_probability"]) for name in wrong)


def _columns(first: str, second: str) -> list[Column]:
    named: dict[str, str] = {"first": first, "second": second, "neither": "neither"}
    return [
        Column("right", lambda row: named[row["right"]], left=True),
        Column("case", "{case}"),
        Column("label", "{label}"),
        Column(first, "{first}: {first_probability:.2f}"),
        Column(second, "{second}: {second_probability:.2f}"),
    ]


def _picture(digits: Digits, rows: list[Tree]) -> bytes:
    """The cases, each with what it is and both guesses."""
    from hinton06.report import captioned  # noqa: PLC0415  # Matplotlib is slow to import

    images, columns = digits.test_images.reshape(-1, *digits.shape), _columns("", "")
    captions = [
        (f"is {row['label']}", ", ".join(column.text(row) for column in columns[-2:]))
        for row in rows
    ]  # fmt: skip
    return captioned.draw([images[row["case"]] / 255 for row in rows], captions)[".png"]
