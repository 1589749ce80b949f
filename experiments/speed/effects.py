"""What else the speed of the tool depends on: four measurements, each a command of its own.

    python experiments/speed/effects.py importance runs/table1 --record experiments/speed
    python experiments/speed/effects.py growth --record experiments/speed
    python experiments/speed/effects.py memory runs/effects/memory --record experiments/speed
    python experiments/speed/effects.py where runs/table1 --record experiments/speed

`importance` fine-tunes the same stack with and without importance sampling, which the chapter says
"sped up the learning by about a factor of three", and finds the epochs and seconds to equal
validation cost, validation errors and training cost. `growth` times epochs of more and more cases
and of wider and wider layers. `memory` runs every command in short and asks the kernel for its
peak. `where` adds up the times in the files of ``make table1``. Started again, each goes on with
what it has.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import products
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from threadpoolctl import threadpool_limits

from hinton06 import mnist, provenance
from hinton06.backprop import DiscriminativeFineTuning
from hinton06.console import stopped_in_a_line
from hinton06.loading import RunFile, load
from hinton06.models import Classifier
from hinton06.recipes import RECIPES
from hinton06.recognition import Cases
from hinton06.stacking import GreedyStack

RECIPE = RECIPES["tr2006"]
BLUE, ORANGE, GREEN = "#1b6ca8", "#e07b39", "#8a9a5b"


def write(folder: Path, name: str, record: Mapping[str, Any], text: str, figure: Any) -> None:
    """NAME.json, NAME.md and NAME.png; the text on standard output too."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {"machine": provenance.machine(), "commit": provenance.git_revision(), **record}
    dumped = json.dumps(values, indent=2, ensure_ascii=False)
    (folder / f"{name}.json").write_text(dumped + "\n", encoding="utf-8")
    text = f"{provenance.machine()}.\n\n{text}\n"
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    if figure is not None:
        figure.savefig(folder / f"{name}.png", dpi=130, metadata={"Software": None})
    print(text, end="")


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Markdown, all columns but the first on the right."""
    marks = ["---"] + ["---:"] * (len(heads) - 1)
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (heads, marks, *rows))


def hinton06(*arguments: Any) -> None:
    """Run a command of this package to its end; it goes on from what it has."""
    command = [sys.executable, "-m", "hinton06", *map(str, arguments)]
    if code := subprocess.run(command, check=False).returncode:
        raise SystemExit(code)


# -- importance sampling -------------------------------------------------------------------------

WITH, WITHOUT = "with", "without"
QUALITIES = {
    "valid_cost": "validation cost (nats per 100)",
    "valid_errors": "validation errors",
    "sampled_cost": "training cost (nats per 100)",
}


def importance(given: argparse.Namespace) -> None:
    """Two fine-tunings of one stack, one after the other, and the way to equal quality."""
    folder = given.out or given.runs / "effects"
    curves = {}
    for name, option in ((WITH, "--importance-sampling"), (WITHOUT, "--no-importance-sampling")):
        path = folder / f"bp-a-{name}-importance.h5"
        more = ["--max-epochs", given.max_epochs] if given.max_epochs else []
        hinton06("finetune-bp", given.runs / "pretrain-a.h5", option, "--out", path,
                 "--threads", 1, "--plain", *more)  # fmt: skip
        curves[name] = curve(load(path))
    levels = {column: equal_levels(curves, column) for column in QUALITIES}
    record = {
        "chapter": "sped up the learning by about a factor of three",
        "runs": {
            name: {key: value for key, value in c.items() if key not in QUALITIES}
            | {column: [round(float(x), 4) for x in c[column]] for column in QUALITIES}
            for name, c in curves.items()
        },
        "to_equal_quality": levels,
    }
    write(given.record, "importance", record, importance_text(curves, levels),
          draw_importance(curves))  # fmt: skip


def curve(found: RunFile) -> dict[str, Any]:
    """The history of one run against epochs and against seconds.

    The file has wall seconds of each epoch, measurements included, and the processor seconds of
    the run; with one thread the two differ by what other processes took. Seconds here are the
    wall seconds times the run's share of a processor.
    """
    share = found.provenance["cpu_seconds"] / found.provenance["seconds"]
    seconds = np.cumsum(found.history["seconds"]) * share
    return {
        "epochs": len(seconds),
        "kept_epoch": found.outcome.epochs,
        "reason": found.outcome.reason,
        "wall_seconds": round(float(found.provenance["seconds"]), 1),
        "processor_share": round(float(share), 3),
        "seconds": [round(float(x), 2) for x in seconds],
        "easy_share": [round(float(x), 4) for x in found.history["easy_share"]],
        **{column: found.history[column] for column in QUALITIES},
    }


def equal_levels(curves: Mapping[str, Any], column: str, n: int = 6) -> list[dict[str, float]]:
    """Epochs and seconds of both runs to several levels that both of them reach.

    The levels are evenly spaced in their logarithm, from where the worse of the two was after its
    first epoch down to the best that the worse of the two ever reached.
    """
    best = max(float(np.min(c[column])) for c in curves.values())
    start = max(float(c[column][0]) for c in curves.values())
    levels = np.geomspace(start, max(best, 1e-9), n + 1)[1:]
    levels[-1] = best
    rows = []
    for level in levels:
        row: dict[str, float] = {"level": float(f"{level:.5g}")}
        for name, c in curves.items():
            # A hair above the level, so that rounding does not hide the run that set it.
            epoch = int(np.argmax(np.minimum.accumulate(c[column]) <= level * (1 + 1e-9)))
            row |= {f"epochs_{name}": epoch + 1, f"seconds_{name}": c["seconds"][epoch]}
        row["times_fewer_epochs"] = round(row["epochs_without"] / row["epochs_with"], 2)
        row["times_faster"] = round(row["seconds_without"] / row["seconds_with"], 2)
        rows.append(row)
    return rows


def importance_text(curves: Mapping[str, Any], levels: Mapping[str, Any]) -> str:
    """Both runs, then a table for each measure of quality."""
    runs = [
        (name, c["epochs"], c["kept_epoch"], f"{c['seconds'][-1]:.0f}",
         f"{c['valid_cost'].min():.2f}", int(c["valid_errors"].min()),
         f"{100 * c['easy_share'][-1]:.0f} %")
        for name, c in curves.items()
    ]  # fmt: skip
    heads = ("importance sampling", "epochs", "kept", "processor s", "least valid. cost",
             "fewest valid. errs", "easy at the end")  # fmt: skip
    parts = [
        'The chapter: "a new trick was introduced which sped up the learning by about a factor of '
        'three". An epoch is as many cases with as without it; the training cost is that of the '
        "cases that it sampled, weighted, before each update. One thread.",
        table(heads, runs),
    ]
    for column, rows in levels.items():
        cells = [
            (f"{row['level']:.4g}", row["epochs_with"], row["epochs_without"],
             f"{row['seconds_with']:.0f}", f"{row['seconds_without']:.0f}",
             f"{row['times_faster']:.2f}")
            for row in rows
        ]  # fmt: skip
        parts.append(f"To equal {QUALITIES[column]}:")
        heads = ("level", "epochs with", "without", "s with", "without", "times faster")
        parts.append(table(heads, cells))
    return "\n\n".join(parts)


def draw_importance(curves: Mapping[str, Any]) -> Figure:
    """Each quality against epochs and against seconds."""
    figure = Figure(figsize=(9, 9), layout="constrained")
    axes = figure.subplots(len(QUALITIES), 2, sharey="row")
    for row, (column, label) in zip(axes, QUALITIES.items(), strict=True):
        for name, colour in ((WITH, BLUE), (WITHOUT, ORANGE)):
            c = curves[name]
            epochs = np.arange(1, c["epochs"] + 1)
            for ax, x in zip(row, (epochs, c["seconds"]), strict=True):
                ax.plot(x, c[column], color=colour, label=f"{name} importance sampling")
        row[0].set_ylabel(label, fontsize=9)
        if column == "sampled_cost":
            row[0].set_yscale("log")
            row[0].yaxis.set_major_formatter(ScalarFormatter())
        for ax in row:
            ax.spines[["top", "right"]].set_visible(False)
            ax.set_xlim(left=0)
    axes[-1, 0].set_xlabel("epochs")
    axes[-1, 1].set_xlabel("processor seconds")
    axes[0, 0].legend(frameon=False, fontsize=9)
    return figure


# -- how cost grows ------------------------------------------------------------------------------

CASES = (5_000, 10_000, 20_000, 40_000, 60_000)
SCALES = (0.25, 0.5, 1.0, 2.0)
CASES_OF_WIDTHS = 10_000


def growth(given: argparse.Namespace) -> None:
    """Whole epochs of both learners for more cases, and for wider layers, beside the limit."""
    shares = [share for share in CASES if share <= given.most_cases]
    rows = []
    with threadpool_limits(given.threads):
        for cases in shares:
            rows += [grown("cases", cases, cases, RECIPE.pretrain.layers, given.repeats)]
            print(rows[-1], file=sys.stderr)
        for scale in SCALES:
            layers = tuple(round(scale * size) for size in RECIPE.pretrain.layers)
            cases = min(CASES_OF_WIDTHS, given.most_cases)
            rows += [grown("width", scale, cases, layers, given.repeats)]
            print(rows[-1], file=sys.stderr)
    record = {"threads": given.threads, "repeats": given.repeats, "epochs": rows}
    write(given.record, "growth", record, growth_text(record), draw_growth(rows))


def grown(
    what: str, value: float, cases: int, layers: tuple[int, ...], repeats: int
) -> dict[str, Any]:
    """Seconds of an epoch of CD-1 (of all layers together) and of backpropagation."""
    cd, cd_limit = statistics.median(stack_seconds(cases, layers) for _ in range(repeats)), 0.0
    sizes = (784, *layers)
    for below, above in pairwise(sizes):
        momentum = RECIPE.pretrain.momentum
        steps = products.contrastive_divergence(below, above, products.BATCH, momentum)
        cd_limit += limit_seconds(steps, cases)
    bp = statistics.median(fine_tuning_seconds(cases, layers, repeats))
    steps = products.backpropagation(
        (*sizes, products.N_LABELS), products.BATCH, RECIPE.backprop.momentum
    )
    return {
        "of": what, "value": value, "cases": cases, "layers": "-".join(map(str, layers)),
        "cd_seconds": round(cd, 3), "cd_limit_seconds": round(cd_limit, 3),
        "bp_seconds": round(bp, 3), "bp_limit_seconds": round(limit_seconds(steps, cases), 3),
    }  # fmt: skip


def stack_seconds(cases: int, layers: tuple[int, ...]) -> float:
    """One pass on each layer, with the features that the next one learns from."""
    settings = dataclasses.replace(RECIPE.pretrain, layers=layers, passes=1)
    images = mnist.read().train_images[:cases]
    learner = GreedyStack(images, settings, np.random.default_rng(0))
    started = time.perf_counter()
    while learner.finished() is None:
        learner.run_epoch(lambda _: None)
    return time.perf_counter() - started


def fine_tuning_seconds(cases: int, layers: tuple[int, ...], repeats: int) -> list[float]:
    """Epochs of backpropagation with their measurements, on as many cases and 10,000 others."""
    digits, rng = mnist.read(), np.random.default_rng(0)
    net = Classifier.random((784, *layers, products.N_LABELS), RECIPE.backprop.initial_scale, rng)
    train = Cases(digits.train_images[:cases], digits.train_labels[:cases])
    valid = Cases(digits.test_images, digits.test_labels)
    # A random start learns at the rate that it has in the table.
    settings = dataclasses.replace(RECIPE.backprop, rate=RECIPE.backprop.all_cases_rate)
    learner = DiscriminativeFineTuning(net, train, settings, rng, valid)
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        learner.run_epoch(lambda _: None)
        seconds.append(time.perf_counter() - started)
    return seconds


def limit_seconds(steps: Sequence[products.Step], cases: int) -> float:
    """The bare products of an epoch, from a few dozen of its batches."""
    limit, batches = products.Limit(steps, np.random.default_rng(0)), 25
    limit.run(3)
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        limit.run(batches)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) / batches * cases / products.BATCH


def growth_text(record: Mapping[str, Any]) -> str:
    """Two tables."""
    heads = ("cases", "layers", "CD-1, s", "limit", "backprop, s", "limit")
    parts = [
        "Seconds of one epoch: of CD-1 one pass on each layer and the features between them, of "
        "backpropagation with its measurements on the training cases and 10,000 others, which "
        f"the limit does not have. {record['threads']} thread(s)."
    ]
    for what in ("cases", "width"):
        rows = [
            (f"{e['cases']:,}", e["layers"], f"{e['cd_seconds']:.2f}",
             f"{e['cd_limit_seconds']:.2f}", f"{e['bp_seconds']:.2f}",
             f"{e['bp_limit_seconds']:.2f}")
            for e in record["epochs"] if e["of"] == what
        ]  # fmt: skip
        parts.append(table(heads, rows))
    return "\n\n".join(parts)


def draw_growth(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Seconds against cases and against width, both logarithmic: slope 1 and slopes up to 2."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    labels = {"cases": "training cases", "width": "width, times 500-500-2000"}
    for ax, (what, label) in zip(axes, labels.items(), strict=True):
        here = [row for row in rows if row["of"] == what]
        x = [row["value"] for row in here]
        for name, colour, title in (("cd", BLUE, "CD-1"), ("bp", ORANGE, "backpropagation")):
            ax.plot(x, [r[f"{name}_seconds"] for r in here], "o-", color=colour, label=title, ms=4)
            limit = [r[f"{name}_limit_seconds"] for r in here]
            ax.plot(x, limit, "--", color=colour, lw=1, label=f"{title}, products alone")
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xticks(x, [f"{value:g}" for value in x])
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.yaxis.set_major_formatter(ScalarFormatter())
        ax.set_xlabel(label)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("seconds of an epoch")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


# -- peak memory ---------------------------------------------------------------------------------

# Linux starts a process's peak with that of the one it came from, so a small one comes between.
_SMALL = """
import json, os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(child, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), used.ru_maxrss]), file=sys.stderr)
"""


@dataclass(frozen=True)
class Command:
    """One command in short; later ones read what earlier ones made."""

    name: str
    arguments: tuple[str, ...]


def memory_commands(layers: str) -> list[Command]:
    """Every command on all of MNIST, one pass or epoch each; runs in the folder of the files."""
    one_epoch = ("--max-epochs", "1")
    cws = ("--epochs", "1")
    few = ("--cases", "200", "--passes", "1", "--rounds", "20", "--temperatures", "20")
    lines = [
        "pretrain --split a", "pretrain --labels --split a --on pretrain-a.h5",
        "finetune-bp pretrain-a.h5", "finetune-bp --extend bp-a.h5",
        "finetune-bp --no-pretraining bp-a.h5",
        "finetune-bp pretrain-a.h5 --recipe science06 --top-only-epochs 0 --out more/bp-cg.h5",
        "finetune-cws pretrain-labels-a.h5", "finetune-cws --extend cws-a.h5",
        "finetune-cws --search-bp-weight cws-a.h5",
        "finetune-cws --generative pretraining --bp-weight 0.9 pretrain-labels-a.h5 "
        "--out more/mix.h5",
        "evaluate bp-a.h5", "evaluate cws-a.h5", "evaluate cws-a.h5 --method all",
        "combine bp-a.h5 more/bp-cg.h5", "sample cws-a.h5 --samples 1 --gibbs 10",
        "figures cws-a.h5 bp-a.h5 --out figures --gibbs 10", "table1 .", "generative .",
        "show bp-a.h5",
    ]  # fmt: skip
    commands = []
    for line in lines:
        words = tuple(line.split())
        more: tuple[str, ...] = ()
        if words[0] == "pretrain":
            more = ("--passes", "1", "--layers", layers, "--runs", ".")
        elif words[0] == "finetune-bp":
            more = one_epoch
        elif words[0] == "finetune-cws":
            more = cws
        elif "all" in words:
            more = few
        if words[0] not in ("table1", "generative", "show"):
            more += ("--threads", "1")
        commands.append(Command(line, words + more))
    return commands


def memory(given: argparse.Namespace) -> None:
    """The peak of every command; those that were measured in this folder are not run again."""
    given.folder.mkdir(parents=True, exist_ok=True)
    kept = given.folder / "memory.json"
    peaks: dict[str, float] = json.loads(kept.read_text()) if kept.exists() else {}
    for command in memory_commands(given.layers):
        if command.name not in peaks:
            peaks[command.name] = peak_mib(command, given.folder)
            kept.write_text(json.dumps(peaks))
            print(f"{peaks[command.name]:7.0f} MiB  {command.name}", file=sys.stderr, flush=True)
    record = {"layers": given.layers, "peak_mib": {name: round(x) for name, x in peaks.items()}}
    rows = [(f"`{name}`", f"{x:.0f}") for name, x in peaks.items()]
    text = (
        f"Peak resident memory of each command, {given.layers} on all of MNIST, one thread, one "
        "pass or epoch.\n\n" + table(("command", "MiB"), rows)
    )
    write(given.record, "memory", record, text, draw_memory(peaks))


def peak_mib(command: Command, folder: Path) -> float:
    """Run one command in a process of its own, started by a small one."""
    full = [sys.executable, "-S", "-c", _SMALL, sys.executable, "-m", "hinton06"]
    ended = subprocess.run(
        [*full, *command.arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    code, kib = json.loads(ended.stderr.splitlines()[-1])
    if code:
        raise SystemExit(f"{command.name}: exit {code}: {ended.stderr[-500:]}")
    return float(kib) / 1024


def draw_memory(peaks: Mapping[str, float]) -> Figure:
    """A bar a command, and the gigabyte that none may pass."""
    figure = Figure(figsize=(9, 0.3 * len(peaks) + 0.9), layout="constrained")
    ax = figure.subplots()
    ax.barh(list(peaks), list(peaks.values()), color=BLUE)
    ax.axvline(1e9 / 2**20, color="black", lw=0.8, ls="--")
    ax.text(1e9 / 2**20, -0.9, "1 GB ", ha="right", va="center", fontsize=8)
    ax.invert_yaxis()
    ax.tick_params(axis="y", labelsize=8, length=0)
    ax.set_xlabel("peak resident memory, MiB")
    ax.spines[["top", "right"]].set_visible(False)
    return figure


# -- where the time of make table1 goes ----------------------------------------------------------


def where(given: argparse.Namespace) -> None:
    """The recorded times of a folder of ``make table1``, by file and by part."""
    parts: list[dict[str, Any]] = []
    for pattern in ("pretrain-[abc].h5", "bp-*.h5"):
        for path in sorted(given.runs.glob(pattern)):
            parts += parts_of(load(path))
    if not parts:
        raise SystemExit(f"{given.runs}: no files of make table1")
    spans = [(part.pop("started"), part.pop("finished")) for part in parts]
    whole = (max(end for _, end in spans) - min(start for start, _ in spans)).total_seconds()
    record = {
        "files": parts,
        "seconds_in_epochs": round(sum(part["seconds"] for part in parts)),
        "seconds_by_part": by_part(parts),
        "seconds_from_first_start_to_last_end": round(whole),
    }
    write(given.record, "where", record, where_text(record), draw_where(parts))


def parts_of(found: RunFile) -> list[dict[str, Any]]:
    """The layers of a stack, or a fine-tuning as a whole."""
    seconds = found.history["seconds"]
    share = found.provenance["cpu_seconds"] / found.provenance["seconds"]
    times = [datetime.fromisoformat(str(found.provenance[n])) for n in ("started", "finished")]
    if found.kind.name == "stack":
        numbers = found.history["layer"]
        chosen = {f"pretraining, layer {n:.0f}": numbers == n for n in np.unique(numbers)}
    else:
        chosen = {found.lineage.role: np.full(len(seconds), True)}
    return [
        {
            "file": found.path.name, "part": part, "epochs": int(here.sum()),
            "seconds": round(float(seconds[here].sum()), 1),
            "seconds_an_epoch": round(float(seconds[here].mean()), 2),
            "processor_share": round(float(share), 2),
            "resumed": int(found.provenance["resumed"]), "started": times[0], "finished": times[1],
        }
        for part, here in chosen.items()
    ]  # fmt: skip


def by_part(parts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Seconds of all files together, by what was done."""
    names = dict.fromkeys(part["part"] for part in parts)
    return {n: round(sum(p["seconds"] for p in parts if p["part"] == n)) for n in names}


def where_text(record: Mapping[str, Any]) -> str:
    """A row a part of a file, a row a part of all, the sum, and the whole."""
    heads = ("file", "part", "epochs", "s an epoch", "s", "share of a processor", "resumed")
    rows = [
        (p["file"], p["part"], p["epochs"], f"{p['seconds_an_epoch']:.2f}", f"{p['seconds']:.0f}",
         f"{p['processor_share']:.2f}", p["resumed"])
        for p in record["files"]
    ]  # fmt: skip
    total = record["seconds_in_epochs"]
    shares = [
        (name, f"{seconds:,}", f"{100 * seconds / max(1, total):.0f} %")
        for name, seconds in record["seconds_by_part"].items()
    ]
    whole = record["seconds_from_first_start_to_last_end"]
    return "\n\n".join([
        "Seconds by the clock of the epochs in each file, measurements included. Processes ran "
        "beside each other, so the sum is more than the whole; a resumed run's pause is in the "
        "whole.",
        table(heads, rows),
        table(("part", "s, all files", "share"), [*shares, ("sum", f"{total:,}", "")]),
        f"From the first start to the last end: {whole:,} s ({whole / 60:.1f} minutes).",
    ])  # fmt: skip


def draw_where(parts: Sequence[Mapping[str, Any]]) -> Figure:
    """A bar a file, its parts one after the other."""
    files = list(dict.fromkeys(part["file"] for part in parts))
    names = list(dict.fromkeys(part["part"] for part in parts))
    colours = ("#0f3d5e", BLUE, "#7fb3d9", ORANGE, GREEN, "#8c564b")
    figure = Figure(figsize=(9, 0.36 * len(files) + 1.2), layout="constrained")
    ax = figure.subplots()
    for name, colour in zip(names, colours, strict=False):
        here = [part for part in parts if part["part"] == name]
        before = [
            sum(p["seconds"] for p in parts
                if p["file"] == part["file"] and names.index(p["part"]) < names.index(name))
            for part in here
        ]  # fmt: skip
        places = [files.index(part["file"]) for part in here]
        widths = [part["seconds"] for part in here]
        ax.barh(places, widths, left=before, color=colour, label=name)
    ax.set_yticks(range(len(files)), files, fontsize=8)
    ax.invert_yaxis()
    ax.set_xlabel("seconds by the clock")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.45, 1))
    return figure


# -- the command line ----------------------------------------------------------------------------


def main() -> None:
    """One of the four."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="MEASUREMENT")

    def add(name: str, run: Any, about: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument(
            "--record", type=Path, default=Path("runs/effects"), help="folder for the results"
        )
        command.set_defaults(run=run)
        return command

    command = add("importance", importance, "with and without importance sampling")
    command.add_argument("runs", type=Path, help="folder of pretrain-a.h5")
    command.add_argument("--out", type=Path, help="folder for both nets; default RUNS/effects")
    command.add_argument("--max-epochs", type=int, default=0, help="cap; default the recipe's")
    command = add("growth", growth, "epochs of more cases and of wider layers")
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("--repeats", type=int, default=3)
    command.add_argument("--most-cases", type=int, default=max(CASES))
    command = add("memory", memory, "peak memory of every command")
    command.add_argument("folder", type=Path, help="where to work; goes on there")
    command.add_argument("--layers", default="500-500-2000")
    command = add("where", where, "where the time of make table1 goes")
    command.add_argument("runs", type=Path, help="folder of make table1")
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
