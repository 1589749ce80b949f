"""Five strategies beside each other: how far estimates of gradients are off, and errors by cost."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hinton06 import records
from hinton06.checkpoint import Checkpoint, CheckpointError, history_rows
from hinton06.mnist import SHA256, Digits
from hinton06.recipes import StrategySettings
from hinton06.records import Tree
from hinton06.report.files import NoRunsError, ReportError
from hinton06.report.table import Column, Table
from hinton06.study import (
    GRADIENTS,
    LEARNING,
    NAMES,
    SUPPORT,
    TRIALS,
    TRIED_AT,
    chosen_rate,
)

TITLES: Mapping[str, str] = {
    "denial": "denial: random features",
    "evolution": "jitter of weights, kept if better",
    "weights": "jitter of weights, as a gradient",
    "activities": "jitter of activities",
    "procrastination": "procrastination",
    "calculus": "backpropagation",
    "wake-sleep": "wake-sleep",
}
"""What strategies are called in tables and figures, by their names."""

SUPPORT_VECTORS = "denial: support vectors"

ESTIMATES: Mapping[str, tuple[str, str, str]] = {
    "weights": ("jitter of weights", "calculus", "weights"),
    "activities": ("jitter of activities", "hidden_calculus", "features"),
}
"""Of each estimate what it is called, the column of backpropagation's variance that its own is
compared with, and the number by which it should be less efficient."""

_Rows = Sequence[Mapping[str, float]]

_GRADIENT_COLUMNS = (
    Column("features", "{features:,}"),
    Column("weights", "{weights:,}"),
    Column("variance of backpropagation", "{calculus_variance:.3g}", short="BP"),
    *(Column(f"{name}: times that", f"{{{key}_factor:,.0f}}", short=name)
      for key, (name, *_) in ESTIMATES.items()),
)  # fmt: skip
_FIT_COLUMNS = (
    Column("estimate", "{name}", left=True),
    Column("by the number of", "{by}", left=True),
    Column("slope", "{slope:.3f}"),
    Column("95 %", "{slope_low:.3f} to {slope_high:.3f}"),
    Column("factor over number", "{level:.2f}"),
    Column("95 %", "{level_low:.2f} to {level_high:.2f}"),
)
_SUPPORT_COLUMNS = (
    Column("cases", "{cases:,}"),
    Column("C", "{c:g}"),
    Column("support vectors", "{vectors:,.0f}"),
    Column("test", "{test:.2f} ({test_low:.2f}-{test_high:.2f}) %"),
    Column("multiply-adds", "{multiply_adds:.1e}"),
)


def table(path: Path, file: Checkpoint, digits: Digits) -> Table:
    """Of a finished file of measurements on these images; its errors as rows, all else beside.

    Raises `CheckpointError` if they are not those of its settings.
    """
    try:
        with np.errstate(invalid="raise", divide="ignore"):
            made = _table(_document(path, file, digits))
        made.json()  # all numbers are finite
        return made
    except (ArithmeticError, LookupError, ValueError, TypeError) as error:
        what = "its measurements are not those of its settings"
        raise CheckpointError(f"{path}: {what} ({error})") from None


def saved(folder: Path) -> Table:
    """What `strategies --save` wrote into a folder of runs, or where `make strategies` has it.

    Where one table is shown alone its legend says what the further ones end in.
    Raises `NoRunsError` if there is nothing, `ReportError` if it is not what this package writes.
    """
    for path in (folder / "strategies.json", folder / "strategies" / "strategies.json"):
        try:
            document = json.loads(path.read_text("utf-8"))
            records.from_tree(StrategySettings, document["settings"], "setting")
            made = _table(document)
            made.markdown()  # all that a row must have is there
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ReportError(f"{path}: not a table of strategies ({error})") from None
        grown = [_grows(fit) for fit in document["fits"] if fit["slope"] is not None]
        return dataclasses.replace(made, legend=[*made.legend, *grown])
    raise NoRunsError(f"no strategies.json in {folder}")


def _grows(fit: Mapping[str, Any]) -> str:
    ends = f"{fit['slope_low']:.3f} to {fit['slope_high']:.3f}"
    return (
        f"The variance of a gradient by {fit['name']} over that of backpropagation grows "
        f"with the number of {fit['by']} to the power of {fit['slope']:.3f} ({ends})."
    )


# -- from measurements to numbers ----------------------------------------------------------------


def _document(path: Path, file: Checkpoint, digits: Digits) -> Tree:
    """All numbers of the tables and figures, and how they were made."""
    rows = history_rows(file.history)
    settings = records.from_tree(StrategySettings, file.settings, "setting")
    n_pixels = math.prod(min(settings.side, length) for length in digits.shape)
    net = {"pixels": n_pixels, "classes": digits.n_classes, "test_cases": len(digits.test_labels)}
    gradients = [_gradients(row) for row in rows if row["part"] == GRADIENTS]
    return {
        "rows": [found for size in settings.learned for number in range(len(NAMES))
                 for found in [_errors(rows, size, number, net)]],
        "notes": _notes(rows, settings, digits),
        "gradients": gradients,
        "fits": [_fit(key, gradients) for key in ESTIMATES],
        "support_vectors": _support(rows, net),
        **net,
        "file": path.name,
        "recipe": file.recipe,
        "settings": dataclasses.asdict(settings),
        "lineage": file.lineage,
        "provenance": file.provenance,
        "measurements": rows,
    }  # fmt: skip


def _gradients(row: Mapping[str, float]) -> Tree:
    """Variances of estimates of one net, over |g|^2 of what they estimate, and over BP's."""
    found: Tree = {"features": int(row["size"]), "weights": int(row["n_weights"])}
    found["draw"] = int(row["draw"])
    for key in ("calculus", "hidden_calculus"):
        squared = row["hidden_squared" if key != "calculus" else "squared"]
        found[f"{key}_variance"] = row[key] / squared
    for key, (_, base, _) in ESTIMATES.items():
        squared = row["hidden_squared" if base == "hidden_calculus" else "squared"]
        found[f"{key}_variance"] = row[key] / squared
        found[f"{key}_factor"] = row[key] / row[base]
    return found


def _fit(key: str, gradients: Sequence[Tree]) -> Tree:
    """The power of its number that an estimate's factor grows by, with 95 % intervals.

    And the factor over the number, in the geometric mean. None where too few nets tell.
    """
    name, _, by = ESTIMATES[key]
    x = np.log10([row[by] for row in gradients])
    y = np.log10([row[f"{key}_factor"] for row in gradients])
    found: Tree = {"estimate": key, "name": name, "by": by, "nets": len(x)}
    ends = ("slope", "slope_low", "slope_high", "level", "level_low", "level_high")
    if len(x) < 3 or not np.ptp(x):
        return found | dict.fromkeys(ends)
    from scipy import stats  # noqa: PLC0415  # slow to import

    line = stats.linregress(x, y)
    reach = float(stats.t.ppf(0.975, len(x) - 2)) * float(line.stderr)
    shift = y - x
    off = float(stats.t.ppf(0.975, len(x) - 1)) * float(stats.sem(shift))
    slope, level = float(line.slope), float(shift.mean())
    values = (slope, slope - reach, slope + reach, 10**level, 10 ** (level - off),
              10 ** (level + off))  # fmt: skip
    return found | dict(zip(ends, values, strict=True)) | {"intercept": float(line.intercept)}


def _errors(rows: _Rows, size: int, number: int, net: Tree) -> Tree:
    """Test errors in per cent of a strategy, by what was spent: mean and range of the draws."""
    own = [
        row
        for row in rows
        if row["part"] == LEARNING and (row["size"], row["strategy"]) == (size, number)
    ]
    draws: dict[float, list[Mapping[str, float]]] = defaultdict(list)
    for row in own:
        draws[row["draw"]].append(row)
    curve = []
    for points in zip(*draws.values(), strict=True):  # a cost, in each draw
        test = [100 * row["test_errors"] / net["test_cases"] for row in points]
        ends = {"test_low": min(test), "test_high": max(test)}
        curve.append({"passes": points[0]["passes"], "test": float(np.mean(test)), **ends})
    return {
        "features": size,
        "weights": _weights(size, net),
        "strategy": NAMES[number],
        "name": TITLES[NAMES[number]],
        "rate": own[0]["rate"],
        "curve": curve,
    }


def _weights(features: int, net: Mapping[str, int]) -> int:
    return (net["pixels"] + 1) * features + (features + 1) * net["classes"]


def _support(rows: _Rows, net: Tree) -> list[Tree]:
    """Of each number of cases the C of the fewest validation errors of all draws together."""
    own = [row for row in rows if row["part"] == SUPPORT]
    found = []
    for cases in dict.fromkeys(row["size"] for row in own):
        errors: dict[float, list[Mapping[str, float]]] = defaultdict(list)
        for row in own:
            if row["size"] == cases:
                errors[row["rate"]].append(row)
        c = min(errors, key=lambda c: (sum(row["valid_errors"] for row in errors[c]), c))
        test = [100 * row["test_errors"] / net["test_cases"] for row in errors[c]]
        found.append(
            {"cases": int(cases), "c": c, "test": float(np.mean(test)), "test_low": min(test),
             "test_high": max(test), "multiply_adds": errors[c][0]["multiply_adds"],
             "vectors": float(np.mean([row["vectors"] for row in errors[c]]))}
        )  # fmt: skip
    return found


def _notes(rows: _Rows, settings: StrategySettings, digits: Digits) -> list[str]:
    notes = []
    if digits.sha256 != SHA256:
        name = digits.folder.name if digits.folder else digits.name
        notes.append(f"of the images in {name}, not of MNIST")
    if not any(row["part"] == SUPPORT for row in rows) and settings.support_cases:
        notes.append("no support vectors: they take scikit-learn, pip install 'hinton06[sklearn]'")
    ends = {min(settings.rates), max(settings.rates)}
    at_end = []
    for number, name in enumerate(NAMES):
        sizes = [n for n in settings.learned if chosen_rate(rows, n, number) in ends]
        if sizes and len(settings.rates) > 1:
            at_end.append(f"{TITLES[name]} ({', '.join(f'{n:,}' for n in sizes)})")
    if at_end:
        first_or_last = "the chosen rate is the first or the last that was tried"
        notes.append(f"{first_or_last}, with so many features: {'; '.join(at_end)}")
    return notes


# -- tables --------------------------------------------------------------------------------------


def _table(document: Mapping[str, Any]) -> Table:
    settings = document["settings"]
    whole, rows = settings["budget"], []
    for row in document["rows"]:
        cells = {key: value for key, value in row.items() if key != "curve"}
        for name, share in (("first", 1e-2), ("second", 1e-1), ("last", 1.0)):
            reached = [p for p in row["curve"] if p["passes"] >= share * whole * (1 - 1e-9)]
            # Of a run whose numbers overflowed the last point: it spends no more.
            point = (reached or row["curve"][-1:])[0]
            cells |= {f"{name}_{key}": value for key, value in point.items()}
        rows.append(cells)
    columns = (
        Column("net", "{features:,} features, {weights:,} weights", left=True),
        Column("strategy", "{name}", left=True),
        Column("rate", "{rate:g}"),
        *(Column(f"{share * whole:,.0f} passes", f"{{{name}_test:.1f}} %")
          for name, share in (("first", 1e-2), ("second", 1e-1))),
        Column(f"{whole:,} passes", "{last_test:.1f} ({last_test_low:.1f}-{last_test_high:.1f}) %"),
    )  # fmt: skip
    extra = {key: value for key, value in document.items() if key not in ("rows", "notes")}
    measurements = extra.pop("measurements", [])
    return Table(
        columns, rows, name="strategies", sections=True,
        legend=_legend(document), notes=document["notes"], extra=extra,
        records=[_record(row) for row in measurements] or None,
        json_rows=document["rows"],
        beside={name: partial(_drawn, name, document) for _, name, _ in _FIGURES},
        figures=_FIGURES,
        further=_further(document),
    )  # fmt: skip


_MEASURED = {GRADIENTS: "gradients", TRIALS: "rate tried", LEARNING: "learning",
             SUPPORT: "support vectors"}  # fmt: skip
_RECORDED = (
    "draw", "rate", "passes", "valid_errors", "test_errors", "vectors", "multiply_adds",
    "n_weights", "squared", "hidden_squared", "calculus", "weights", "hidden_calculus",
    "activities", "seconds",
)  # fmt: skip


def _record(row: Mapping[str, float]) -> Tree:
    """A measurement as a line of the CSV."""
    strategy = NAMES[int(row["strategy"])] if row.get("strategy", -1) >= 0 else None
    named = {"measured": _MEASURED[int(row["part"])], "size": row["size"], "strategy": strategy}
    return named | {name: row.get(name) for name in _RECORDED}


def _legend(document: Mapping[str, Any]) -> list[str]:
    settings = document["settings"]
    return [
        "Test errors by the cost of learning, in forward passes of a case; mean, and in brackets "
        f"the range, of {settings['draws']} draws. A forward pass has a multiply-add for each "
        "weight, and all products are counted so.",
        f"Rates: of {', '.join(f'{rate:g}' for rate in settings['rates'])} the one of the fewest "
        f"validation errors of all draws after {TRIED_AT:.0%} of the cost, in runs of their own.",
    ]


def _mean_by_size(gradients: Iterable[Tree]) -> list[Tree]:
    by_size: dict[int, list[Tree]] = defaultdict(list)
    for row in gradients:
        by_size[row["features"]].append(row)
    return [
        {key: type(own[0][key])(np.mean([row[key] for row in own])) for key in own[0]}
        for own in by_size.values()
    ]


def _further(document: Mapping[str, Any]) -> list[Table]:
    settings, fits = document["settings"], document["fits"]
    tables = [
        Table(
            _GRADIENT_COLUMNS, _mean_by_size(document["gradients"]),
            title="Variance of estimates of the gradient, each from one case",
            legend=[
                "Variance of backpropagation's: mean squared distance of one case's gradient from "
                "that of all training cases, over the latter's square. Jitter: times as much, "
                "of activities against backpropagation's for the weights to the features. Means of "
                f"{settings['draws']} random nets, {settings['estimates']:,} estimates of each."
            ],
        ),
        Table(
            _FIT_COLUMNS, fits,
            title="How these factors grow, on logarithmic scales",
            legend=[
                'The chapter: "more efficient by a factor of the number of weights or features in '
                'the network", a slope of 1 and a factor over number of 1.'
            ],
        ),
    ]  # fmt: skip
    if document["support_vectors"]:
        tables.append(
            Table(
                _SUPPORT_COLUMNS, document["support_vectors"],
                title="Support vectors: a radial kernel on so many training cases",
                legend=["Multiply-adds: of a product for each pair of cases. C: of the fewest "
                        "validation errors."],
            )
        )  # fmt: skip
    return tables


# -- figures -------------------------------------------------------------------------------------

_COLOURS = dict(zip(TITLES, ("tab:gray", "tab:brown", "tab:red", "tab:orange", "tab:green",
                             "tab:blue", "tab:purple"), strict=True))  # fmt: skip
_MARKED = {
    "weights": ("jitter of weights", "tab:red", "o"),
    "activities": ("jitter of activities, to the features", "tab:orange", "s"),
    "calculus": ("backpropagation", "tab:blue", "o"),
    "hidden_calculus": ("backpropagation, to the features", "tab:cyan", "s"),
}
_PERCENT = (1, 2, 3, 5, 10, 20, 30, 50, 90)


_FIGURES = (
    (
        "Estimates of the gradient",
        "gradients.png",
        "Variances of estimates of the gradient by the number of weights, and those by jitter over "
        "backpropagation's by what they grow with.",
    ),
    (
        "Five strategies",
        "errors.png",
        "Test errors of each strategy by the cost of learning, a panel for each size of net.",
    ),
)


def _drawn(which: str, document: Mapping[str, Any]) -> bytes:
    """A figure as the bytes of a PNG file."""
    from hinton06.report import curves  # noqa: PLC0415  # Matplotlib is slow to import

    with curves.own_style():
        draw = {"gradients.png": _draw_gradients, "errors.png": _draw_errors}[which]
        figure = draw(curves.blank, document)
        return curves.saved(figure, "png")


def _draw_gradients(blank: Any, document: Mapping[str, Any]) -> Any:
    """Variances by weights, and factors by what the chapter says that they are."""
    figure = blank(10, 4.2)
    figure.set_layout_engine("constrained")
    left, right = figure.subplots(1, 2)
    rows, fits = document["gradients"], {fit["estimate"]: fit for fit in document["fits"]}
    for key, (name, colour, marker) in _MARKED.items():
        variances = [row[f"{key}_variance"] for row in rows]
        style = {"marker": marker, "ls": "", "color": colour, "fillstyle": "none"}
        left.plot([row["weights"] for row in rows], variances, label=name, **style)
        if key not in fits:
            continue
        fit, by = fits[key], fits[key]["by"]
        numbers, label = np.array([row[by] for row in rows], float), f"{name}, by {by}"
        if fit["slope"] is not None:
            ends = np.array([numbers.min(), numbers.max()])
            right.plot(ends, 10 ** fit["intercept"] * ends ** fit["slope"], color=colour, lw=1)
            label = f"{fit['name']}, by {by}: slope {fit['slope']:.3f} "
            label += f"({fit['slope_low']:.3f}-{fit['slope_high']:.3f})"
        right.plot(numbers, [row[f"{key}_factor"] for row in rows], label=label, **style)
    span = [min(row["features"] for row in rows), max(row["weights"] for row in rows)]
    right.plot(span, span, "k:", lw=1, label="the number itself")
    left.set(xlabel="weights", ylabel="variance of an estimate, over |g|²")
    right.set(xlabel="number of weights, or of features",
              ylabel="variance over that of backpropagation")  # fmt: skip
    for axes in (left, right):
        axes.set(xscale="log", yscale="log")
    left.set_ylim(top=100 * left.get_ylim()[1])  # room for the legend
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    return figure


def _draw_errors(blank: Any, document: Mapping[str, Any]) -> Any:
    """A panel for each size of net: test errors by cost, of every strategy."""
    sizes = list(dict.fromkeys(row["features"] for row in document["rows"]))
    across = min(2, len(sizes))
    down = -(-len(sizes) // across)
    figure = blank(5 * across, 3.6 * down + (0.9 if across > 1 else 1.3))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, size in zip(panels, sizes, strict=False):
        own = [row for row in document["rows"] if row["features"] == size]
        for row in own:
            colour = _COLOURS[row["strategy"]]
            x, y, low, high = (
                [point[key] for point in row["curve"]]
                for key in ("passes", "test", "test_low", "test_high")
            )
            axes.plot(x, y, ".-", color=colour, label=row["name"])
            axes.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
        a_pass = size * (document["pixels"] + document["classes"])
        support = document["support_vectors"]
        if support:
            axes.plot([row["multiply_adds"] / a_pass for row in support],
                      [row["test"] for row in support], "k+--", lw=1,
                      label=SUPPORT_VECTORS)  # fmt: skip
        axes.set(xscale="log", yscale="log", title=f"{size:,} features, {own[0]['weights']:,} "
                 "weights", xlabel="cost (forward passes)", ylabel="test errors (%)")  # fmt: skip
        least = [point["test_low"] for row in document["rows"] for point in row["curve"]]
        axes.set_yticks(_PERCENT, map(str, _PERCENT))
        axes.set_ylim(0.8 * max(1, min([*least, *(row["test"] for row in support)])), 110)
        axes.yaxis.set_tick_params(which="minor", left=False, labelleft=False)
        axes.xaxis.set_tick_params(labelbottom=True)
    for axes in panels[len(sizes) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=across + 1, frameon=False)
    return figure
