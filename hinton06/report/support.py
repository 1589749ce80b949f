"""Support vector machines learned and measured: each run is a table that can be gone on with."""

from __future__ import annotations

import dataclasses
import io
import json
import time
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hinton06 import provenance, records, svm
from hinton06.cases import cases_at, cases_held_out, rows_learned, split_of
from hinton06.files import HeldError, Lock
from hinton06.lineage import EXTENDED, VALIDATED, Lineage
from hinton06.loading import Context
from hinton06.mnist import Digits, shifts
from hinton06.recipes import SvmSettings
from hinton06.recognition import Cases
from hinton06.records import Tree
from hinton06.report.files import ReportError, check_folder, save
from hinton06.report.scores import ENDS, OF_TEST_CASES, interval
from hinton06.report.table import Column, Table
from hinton06.svm import Machines, Pair
from hinton06.training import Interrupted, RunError, caught_signals

PLAIN, VIRTUAL = "support vectors", "virtual support vectors"

_NAME = "svm"
_CANNOT, _ANEW = "cannot be continued", "(--force starts anew)"
_COLUMNS = (
    Column("machine", "{machine}", left=True),
    Column("images", "{images}", left=True),
    Column("cases", "{cases:,}"),
    Column("support vectors", "{support_vectors:,}"),
    Column("valid. errs", "{valid_errors}"),
    Column("test errs", "{test_errors} ({test_errors_95_low:.0f}-{test_errors_95_high:.0f})"),
    Column("test", "{test_percent:.2f} %"),
)


@dataclass(frozen=True)
class Asked:
    """What determines a machine: the images, which of them, and how it is learned.

    Without a `split` all training cases; with one its own, the first `cases` of them, equally many
    of each class, if not 0. Virtual support vectors are `translations` by up to so many pixels.
    """

    data: str
    split: str | None
    cases: int
    translations: int
    settings: SvmSettings

    def tree(self) -> Tree:
        """As JSON values."""
        return dataclasses.asdict(self)


@dataclass
class _Begun:
    """What is done of a run, and the file that it is kept in, if any."""

    asked: Asked
    path: Path | None
    pairs: list[Pair] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @classmethod
    def at(cls, path: Path | None, asked: Asked, force: bool) -> _Begun:
        """Go on with what is kept at a path, unless it is to be begun anew."""
        found = cls(asked, path)
        if path is None or force or not path.exists():
            return found
        try:
            with np.load(path, allow_pickle=False) as kept:
                before = json.loads(str(kept["asked"]))
                found.seconds = kept["seconds"].tolist()
                for number in range(len(found.seconds)):
                    places, coefficients, intercept = (
                        kept[f"{number} {item.name}"] for item in dataclasses.fields(Pair)
                    )
                    found.pairs.append(Pair(places, coefficients, float(intercept)))
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise RunError(f"{path}: {_CANNOT}: {reason} {_ANEW}") from None
        _check_same(path, before, asked)
        return found

    def check(self, n_pairs: int, n_places: int) -> None:
        """Raise `RunError` unless no more pairs are kept, of so many images."""
        fit = len(self.pairs) <= n_pairs and all(
            pair.places.dtype == np.int64
            and pair.places.ndim == 1
            and pair.places.shape == pair.coefficients.shape
            and pair.coefficients.dtype == np.float64
            and np.isfinite([pair.intercept, *pair.coefficients]).all()
            and (pair.places >= 0).all()
            and (pair.places < n_places).all()
            for pair in self.pairs
        )
        if not fit:
            raise RunError(f"{self.path}: {_CANNOT}: it is not of these images {_ANEW}")

    def add(self, pair: Pair, seconds: float) -> None:
        """One more machine."""
        self.pairs.append(pair)
        self.seconds.append(seconds)
        if self.path is None:
            return
        kept: dict[str, Any] = {"asked": json.dumps(self.asked.tree()), "seconds": self.seconds}
        for number, own in enumerate(self.pairs):
            kept |= {f"{number} {name}": value for name, value in vars(own).items()}
        written = io.BytesIO()
        np.savez(written, **kept)
        save(self.path, written.getvalue())


def _check_same(path: Path, before: Any, asked: Asked) -> None:
    """Raise `RunError` if what lies at a path was made with other arguments."""
    differs = [name for name, value in asked.tree().items() if before.get(name) != value]
    if differs:
        raise RunError(
            f"{path}: made with other arguments: {', '.join(differs)} (--force replaces it)"
        )


def learn(context: Context, asked: Asked, folder: Path | None) -> Table:
    """The machine of all pairs, then that of its virtual support vectors; each has a row.

    With a folder the table is saved there, and until it is, what is done; found there, it is not
    made again. Raises `RunError` if it cannot be made or gone on with, `UnfitDataError` if images
    could leave their frame, `ReportError` if it cannot be written, `Interrupted` after a signal.
    """
    svm.check_installed()
    cases_at(context.digits, slice(1), asked.translations)  # before anything is learned
    if folder is None:
        return _table(_learned(context, _Begun(asked, None)), _made(asked))
    check_folder(folder)
    path, lock = folder / f"{_NAME}.json", Lock(folder / f"{_NAME}.json")
    if path.exists() and not context.force:
        document = _document(path)
        _check_same(path, document["asked"], asked)
        return _table(document["rows"], {})
    try:
        lock.take()
    except HeldError as holder:
        raise RunError(f"{path}: is being made by {holder}") from None
    except OSError as error:
        raise ReportError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        begun = _Begun.at(folder / f"{_NAME}.part", asked, context.force)
        table = _table(_learned(context, begun), _made(asked))
        table.save(folder)
        (folder / f"{_NAME}.part").unlink(missing_ok=True)
    finally:
        lock.release()
    return table


def _made(asked: Asked) -> Tree:
    return {"asked": asked.tree(), "provenance": provenance.describe()}


def _learned(context: Context, begun: _Begun) -> list[Tree]:
    digits, asked = context.digits, begun.asked
    train, tested = _cases(digits, asked)
    images = train.images
    if asked.settings.deslanted:
        images = svm.deslanted(images, digits.shape)
        tested = {
            part: own and replace(own, images=svm.deslanted(own.images, digits.shape))
            for part, own in tested.items()
        }
    every, rows = svm.class_pairs(digits.n_classes), []
    moves = [0, asked.translations] if asked.translations else [0]
    begun.check(len(every) * len(moves), len(images) * len(shifts(asked.translations)))
    before: list[Pair] = []
    title, n = "svm" + (f" {asked.split}" if asked.split else ""), len(every)
    with (
        context.shown(title, len(every) * len(moves)) as tick,
        caught_signals(context.progress) as interrupt,
    ):
        tick(len(begun.pairs))
        for number, translations in enumerate(moves):
            machines = Machines(
                images, train.labels, digits.shape, asked.settings, translations, before
            )
            for done in range(len(begun.pairs) - number * n, n):
                started = time.process_time()
                pair = machines.learn(done, every[done])
                begun.add(pair, time.process_time() - started)
                tick(1)
                if interrupt.signal_number:
                    raise Interrupted(interrupt.signal_number, begun.path is not None)
            before = begun.pairs[number * n : (number + 1) * n]
            row = _row(begun, number, translations, train, before)
            for part, own in tested.items():
                row |= {f"{part}_cases": None, f"{part}_errors": None}
                if own is not None:
                    guesses = machines.guesses(own.images, before, digits.n_classes)
                    errors = int(np.count_nonzero(guesses != own.labels))
                    row |= {f"{part}_cases": len(own), f"{part}_errors": errors}
            rows.append(row | _rates(row))
    return rows


def _cases(digits: Digits, asked: Asked) -> tuple[Cases, dict[str, Cases | None]]:
    """What is learned, and what is tested."""
    role = VALIDATED if asked.split else EXTENDED
    lineage = Lineage(digits.sha256, 0, 1, role, asked.split, cases=asked.cases)
    if asked.split:
        split_of(digits, asked.split)
    train = cases_at(digits, rows_learned(digits, lineage))
    valid = cases_held_out(digits, lineage) if asked.split else None
    return train, {"test": Cases(digits.test_images, digits.test_classes), "valid": valid}


def _row(begun: _Begun, number: int, translations: int, train: Cases, pairs: list[Pair]) -> Tree:
    settings, n = begun.asked.settings, len(pairs)
    how = "deslanted" if settings.deslanted else "as they are"
    if translations:
        how += f", {len(shifts(translations))} versions"
    return {
        "machine": VIRTUAL if translations else PLAIN,
        "images": how,
        "cases": len(train),
        "translations": translations,
        **dataclasses.asdict(settings),
        "support_vectors": len(svm.support_places(pairs)),
        "support_vectors_of_a_pair": float(np.mean([len(pair.places) for pair in pairs])),
        "cpu_seconds": sum(begun.seconds[number * n : (number + 1) * n]),
    }


def _rates(row: Tree) -> Tree:
    errors, cases = row["test_errors"], row["test_cases"]
    ends = interval(errors, cases)
    found = {f"test_errors_95_{end}": value for end, value in zip(ENDS, ends, strict=True)}
    return found | {"test_percent": 100 * errors / cases}


def _table(rows: list[Tree], made: Tree) -> Table:
    degree = ", ".join(dict.fromkeys(str(row["degree"]) for row in rows))
    legend = (
        f"Kernel ((1 + u·v) / 2)^{degree} of images of length 1; one machine for each pair of "
        f"classes, and most votes. {OF_TEST_CASES}"
    )
    return Table(_COLUMNS, rows, name=_NAME, legend=[legend], extra=made)


def _document(path: Path) -> Any:
    try:
        document = json.loads(path.read_text("utf-8"))
        asked = dict(document["asked"])
        records.from_tree(SvmSettings, asked["settings"], "setting")
        _table(document["rows"], {}).markdown()  # what a row must have is there
        for row in document["rows"]:
            if row["machine"] not in (PLAIN, VIRTUAL):
                raise ValueError(f"there is no machine {row['machine']!r}")
            [float(row[name]) for name in ("translations", "test_cases", "cpu_seconds")]
            float(row["valid_cases"] or 1), float(row["valid_errors"] or 0)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{path}: not a table of support vector machines ({error})") from None
    return document


def saved(folder: Path) -> list[Tree]:
    """The rows of every table that `svm --save` wrote into a folder, or into one within it."""
    places = [folder, *sorted(folder.glob("*/"))]
    paths = [place / f"{_NAME}.json" for place in places]
    return [
        row | {"data": document["asked"]["data"]}
        for path in paths
        if path.exists()
        for document in [_document(path)]
        for row in document["rows"]
    ]
