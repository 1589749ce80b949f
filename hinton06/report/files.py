"""The files in a folder of runs, which of them a table takes, and those that a report writes.

A table names the conditions of an experiment that it knows, so that a new kind of run cannot slip
into a table that does not know it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import click

from hinton06 import mnist
from hinton06.checkpoint import CheckpointError
from hinton06.console import plain
from hinton06.files import check_replaceable
from hinton06.lineage import EXTENDED, NOT_PRETRAINED, VALIDATED
from hinton06.loading import RunFile, load
from hinton06.recipes import MOVED, RECIPES, counted, says_something, show_value
from hinton06.records import Tree, to_tree

LEFT_OUT = "left out: "
"""How a note begins that names files with a condition that no table knows."""

DISTORTED = frozenset({"affine", "elastic"})
"""Conditions of images that are distorted whenever they are learned."""
_FINE_TUNED = {"translations", "labelled", "images", "random_start", "cases"}
_STACKED = {"stack", "classifier"}  # the stacks are those of the nets
TAKEN: tuple[tuple[set[str], set[str], set[str]], ...] = (
    ({"labels"}, {"labels", "cases"}, {"stack"}),
    ({"translations"}, {"translations", "cases"}, _STACKED),
    (set(), {"labelled", "images", "random_start", "cases"}, _STACKED),
    (set(), {*DISTORTED, "translations", "random_start", "cases"}, _STACKED),
    ({"dropout"}, {"dropout", *MOVED, *DISTORTED} | _FINE_TUNED, _STACKED),
    ({"dropout"}, {"dropout", *MOVED, "cases"}, {"generative"}),
)
"""What tables need and know of files of some kinds.

Each passes over in silence the files that another one takes.
"""

_CHAPTER = "tr2006"  # the recipe of the chapter's numbers
_MOST_SETTINGS = 3  # that a row names
_USUAL = {name: getattr(RECIPES[name].backprop, name) for name in MOVED}
_ONLY_MEASURED = "track", "valid_every"  # how often something is measured
_PICTURES = (".png", ".svg", ".gif")

T = TypeVar("T")


SEVERAL = "left out, several for one line"
"""The kind of note that files leave which could all be one line of a table."""


class ReportError(Exception):
    """A report that cannot be made; the message is one line."""


def names_apart(paths: Sequence[Path]) -> list[str]:
    """Names of files without their ending, with so many folders before them as tell them apart."""
    whole = [path.absolute() for path in paths]
    for n in range(1, max(len(path.parts) for path in whole)):
        names = ["/".join(path.parts[-n:]).removesuffix(".h5") for path in whole]
        if len(set(names)) == len(set(whole)):
            break
    return names


class NoRunsError(ReportError):
    """A folder holds no run that the report is of."""


class SeveralError(ReportError):
    """No line of a table has one file alone; `claims` names those for each."""

    def __init__(self, folder: Path, claims: Sequence[str]) -> None:
        one, every = f"{claims[0]} are for one line, left out", "; ".join(claims)
        several = f"no line has one file alone: {every}"
        super().__init__(f"{folder}: {several if claims[1:] else one}")
        self.claims = claims


class Note(str):
    """A remark on one folder; of many folders' a `kind` is said once, with its `items`."""

    kind: str
    items: tuple[str, ...]

    def __new__(cls, text: str, kind: str, *items: str) -> Note:  # noqa: D102  # as of a str
        note = super().__new__(cls, text)
        note.kind, note.items = kind, items
        return note

    @classmethod
    def listing(cls, kind: str, *items: str) -> Note:
        """``"kind: item, item"``."""
        return cls(f"{kind}: {', '.join(items)}", kind, *items)


@dataclass(frozen=True)
class Folder:
    """A folder of runs; its files are read once for all tables."""

    path: Path

    @classmethod
    def at(cls, place: Path | Folder) -> Folder:
        """Itself, or the one at a path."""
        return place if isinstance(place, Folder) else cls(place)

    @cached_property
    def held(self) -> list[tuple[Path, RunFile | CheckpointError]]:
        """Each file, or why it cannot be read, by its path."""
        return [(path, _read(path)) for path in run_paths(self.path)]

    def holds(self, selection: Selection) -> bool:
        """Whether `each_run` takes, or says something of, a file of a selection."""
        files = [file for _, file in self.held if isinstance(file, RunFile)]
        return any(selection.fits(file) and not _is_elsewhere(file, selection) for file in files)

    @cached_property
    def _by_digest(self) -> dict[str, RunFile]:
        files = (file for _, file in self.held if isinstance(file, RunFile) and file.complete)
        return {file.digest: file for file in files}

    def below(self, files: Iterable[RunFile]) -> list[RunFile]:
        """What these descend from, as far as it is here, each once, what was first made first."""
        found, wanted = dict[str, RunFile](), list(files)
        known = {file.digest for file in wanted if file.complete}
        while wanted:
            file = wanted.pop()
            # A net without pretraining takes only when to stop from others.
            parents = () if file.lineage.role == NOT_PRETRAINED else file.lineage.parents or ()
            for digest in parents:
                if digest in self._by_digest and digest not in known:  # learned nothing, if so
                    known.add(digest)
                    found[digest] = self._by_digest[digest]
                    wanted.append(found[digest])
        return list(found.values())[::-1]

    def distorted_stack(self, file: RunFile) -> bool:
        """Whether a net's stack learned distorted images; if not told, an extension's is plain."""
        if file.lineage.random_start or file.lineage.role == NOT_PRETRAINED:
            return False
        distorted = DISTORTED & {*file.lineage.below}
        if net := _extended(file, self._by_digest):
            distorted &= {*net.lineage.below}
        elif file.lineage.role == EXTENDED:  # below it is the net too, which will have had the same
            distorted -= file.settings.apart()
        return bool(distorted)

    def made_with(self, *made: RunFile, varied: Collection[str] = ()) -> str | None:
        """As `made_with`, of these files and of what is `below` them."""
        return made_with(*self.below(made), *made, varied=varied)

    def unreadable(self) -> list[Note]:
        """What is to be said of files that cannot be read."""
        return [_unreadable(p, file) for p, file in self.held if isinstance(file, CheckpointError)]


def _unreadable(path: Path, error: CheckpointError) -> Note:
    why = str(error).removeprefix(f"{path}: ")
    return Note(str(error), "cannot be read", f"{path.name} ({why})")


def _read(path: Path) -> RunFile | CheckpointError:
    try:
        return load(path)
    except CheckpointError as error:
        return error


@dataclass(frozen=True)
class Selection:
    """Files that a table takes: of a kind, of some roles, and with these conditions at most.

    Those that it needs are among those that it knows.
    """

    kind: str
    roles: tuple[str, ...]
    knows: frozenset[str]
    needs: frozenset[str] = frozenset()

    def fits(self, file: RunFile) -> bool:
        """Whether a file would be taken but for conditions that the table does not know."""
        kept = file.kind.name == self.kind and file.lineage.role in self.roles
        return kept and self.needs <= conditions(file)


def conditions(file: RunFile) -> set[str]:
    """What sets a file's experiment apart from the chapter's plain one: names of its lineage.

    And the settings with a value that files from before there was such a setting cannot have. Where
    it was learned, its device, makes no other experiment.
    """
    named = {*file.lineage.conditions(), *file.lineage.below, *file.settings.apart()}
    return named - {"below", "device"}


def _is_elsewhere(file: RunFile, selection: Selection) -> bool:
    """Whether another table takes a file that this one does not, or says that it does not."""
    found = conditions(file)
    tables = [(needs, knows) for needs, knows, kinds in TAKEN if file.kind.name in kinds]
    tabulated = set().union(*(knows for _, knows in tables))
    if not (found - selection.knows) & tabulated:
        return False
    # With something unknown beside these, a file is left to be named by the table of the rest.
    return bool(found - tabulated) or any(needs <= found <= knows for needs, knows in tables)


def run_paths(folder: Path) -> list[Path]:
    """The files in a folder that learning commands made, finished or not, in their order."""
    return sorted([*folder.glob("*.h5"), *folder.glob("*.h5.part")])


def each_run(
    folder: Path | Folder, holds: str, notes: list[Note], *wanted: Selection
) -> Iterator[RunFile]:
    """The finished files in a folder that a table takes, by any of its selections.

    To the notes is added what cannot be read, is not finished, or is left out for a condition
    that no table knows, and devices if there are several. `NoRunsError`, which names what the
    folder should hold, if there is nothing of all that.
    """
    left_out, taken, devices = [], 0, set[str]()
    folder = Folder.at(folder)
    for path, file in folder.held:
        if isinstance(file, CheckpointError):
            notes.append(_unreadable(path, file))
            continue
        for selection in wanted:
            if not selection.fits(file):
                continue
            if _is_elsewhere(file, selection):
                continue
            if unknown := conditions(file) - selection.knows:
                left_out.append(f"{path.name} ({', '.join(sorted(unknown))})")
            elif file.complete and path.suffix != ".part":
                taken += 1
                devices.add(device_of(file))
                yield file
            else:
                done = counted(file.epochs_done, "epoch")
                text = f"{path.name}: not finished, {done} done"
                notes.append(Note(text, "not finished", f"{path.name} after {done}"))
    if left_out:
        notes.append(Note(LEFT_OUT + ", ".join(left_out), LEFT_OUT.removesuffix(": "), *left_out))
    if len(devices) > 1:
        notes.append(Note.listing("the files come from different devices", *sorted(devices)))
    if not (taken or notes):
        raise NoRunsError(f"{folder.path}: there are no {holds} in it")


def device_of(file: RunFile) -> str:
    """Where it was learned: by the package's own learners, or in PyTorch on this device."""
    return file.lineage.device or "this package's own"


def in_lines(found: Iterable[tuple[T, RunFile]], notes: list[Note]) -> dict[T, RunFile]:
    """The file of each line of a table, in the order in which they were found.

    MNIST's goes before others of other data, which is noted; where several could be it, none is,
    and they are named: in a note, or by `SeveralError` if no line is left.
    """
    claims: dict[T, list[RunFile]] = {}
    for line, file in found:
        claims.setdefault(line, []).append(file)
    files, refused = dict[T, RunFile](), list[Sequence[RunFile]]()
    for line, own in claims.items():
        first, *others = sorted(own, key=lambda f: f.lineage.data != mnist.SHA256)
        if others and (others[0].lineage.data == mnist.SHA256) == (
            first.lineage.data == mnist.SHA256
        ):
            refused.append(own)
            continue
        files[line] = first
        for other in others:
            every = [item.name for item in fields(other.settings)]  # the data decide
            about = f"{made_with(other, varied=every)}, left out beside {first.path.name}"
            notes.append(
                Note(f"{other.path.name}: {about}", "left out, of other data", other.path.name)
            )
    listed = list(map(_listed, refused))
    if refused and not files:
        raise SeveralError(refused[0][0].path.parent, listed)
    notes += [Note(f"{names} are for one line, left out", SEVERAL, names) for names in listed]
    return files


def _listed(files: Sequence[RunFile]) -> str:
    names = sorted(file.path.name for file in files)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def made_with(*made: RunFile, varied: Collection[str] = ()) -> str | None:
    """What files were made with in place of the chapter's: recipe, settings, data.

    Settings that an experiment has `varied`, ``"rate"`` or of a part alone ``"backprop.rate"``, are
    no matter, as the lines of its table have them.
    """
    recipes = dict.fromkeys(f.recipe for f in made if f.recipe != _CHAPTER)
    data = {f.lineage.data: f for f in made if f.lineage.data != mnist.SHA256}
    own = dict.fromkeys(words for f in made for words in _own_settings(f, varied))
    few = ", ".join(own) if len(own) <= _MOST_SETTINGS else f"{len(own)} settings not the recipe's"
    parts = [f"recipe {name}" for name in recipes]
    known = {f.digest: f for f in made if f.complete}
    parts += dict.fromkeys(words for f in made for words in _changed(f, _extended(f, known)))
    parts += dict.fromkeys(words for f in made for words in _distorted_by(f, varied))
    parts += [few] * bool(own)
    return "; ".join(parts + list(map(_of_data, data.values()))) or None


def _distorted_by(file: RunFile, varied: Collection[str]) -> Iterator[str]:
    """How far images are distorted, in pixels."""
    for name, pixels in file.settings.distortions.items():
        if pixels and name in DISTORTED and name not in varied:
            yield f"{name} {show_value(pixels)}"


def idle(file: RunFile) -> set[str]:
    """Settings that say nothing of a file: of an extension before it, of a first run after that.

    But for the cap on epochs, which each run has.
    """
    role, random = file.lineage.role, file.lineage.random_start
    settings = file.settings
    if role == EXTENDED:
        first = {f.name for f in fields(settings) if f.metadata["first"]} - {"max_epochs"}
        return first if getattr(settings, "extension_epochs", 1) else first | {"final_share"}
    still = set() if getattr(settings, "epochs", 1) else {"final_share"}
    if role == NOT_PRETRAINED:
        return {"extension_epochs"} | still
    first = {"all_cases_rate", "extension_epochs", "initial_scale"}
    return still | first if role == VALIDATED and not random else still


def _own_settings(file: RunFile, varied: Collection[str]) -> Iterator[str]:
    """Settings that are not those of the file's recipe, if that is known here, as words.

    What sets the experiment apart is a condition that its table knows (`conditions`), but for
    another length than that of the recipe of adversarial training, or virtual adversarial, or
    other neighbours than have the recipe of these.
    """
    if file.recipe not in RECIPES:
        return
    if "layers" not in varied and (layers := _other_layers(file)):
        yield layers
    recipe = RECIPES[file.recipe].settings(file.kind.part, file.conditions)
    own = {name: getattr(file.settings, name) for name in file.settings.apart()}
    apart = {name for name, value in own.items() if _USUAL.get(name, value) == value}
    told = {*varied, *apart, *_ONLY_MEASURED, *idle(file)}
    for item in fields(recipe):
        value = getattr(file.settings, item.name)
        names = {item.name, f"{file.kind.part}.{item.name}"}
        if value == getattr(recipe, item.name) or names & told:
            continue
        if says_something(file.settings, item.name, file.conditions):
            yield f"{item.name.replace('_', ' ')} {show_value(value)}"


def _other_layers(file: RunFile) -> str:
    """The features of a net, as those of a stack are said, if they are not as many as usual."""
    if file.kind.name not in ("classifier", "generative", "directed") or not file.complete:
        return ""
    layers = tuple(len(bias) for _, bias in file.kind.up(file.model))
    usual = RECIPES[file.recipe].pretrain.layers
    return "" if layers == usual else f"layers {show_value(layers)}"


def _extended(file: RunFile, known: Mapping[str, RunFile]) -> RunFile | None:
    """The net that a file extends, if it does and it is known, by its digest."""
    parents = file.lineage.parents if file.lineage.role == EXTENDED else None
    return known.get(parents[0]) if parents else None


def _changed(file: RunFile, before: RunFile | None) -> Iterator[str]:
    """Of what sets it apart, what a file was learned without and what it starts from with.

    And of an extension what is its own alone. Distortions are told of the net `before` that it
    extends: below that may be a stack of distorted images.
    """
    had = {name: name in file.lineage.below for name in ("dropout", *MOVED)}
    if before:
        had |= {name: name in before.settings.apart() for name in DISTORTED}
    for name, before_too in had.items():
        own = getattr(file.settings, name, None)
        if own is None or bool(own) == before_too:
            continue
        if not own:
            yield f"{name} {show_value(own)}"
        elif file.lineage.role == EXTENDED:
            yield f"{name} in the extension alone"


def _of_data(file: RunFile) -> str:
    """The name of a file's data, and how many of them it is tested on, if on any."""
    folder, test = file.lineage.data_folder, file.outcome.test
    known = mnist.SHIPPED.get(file.lineage.data, file.lineage.data[:8])
    name = Path(folder).name if folder else known
    return f"data {name}" + (f", {counted(f'{test.cases:,}', 'test case')}" if test else "")


def with_made(name: str, row: Mapping[str, Any]) -> str:
    """A row's name, and what it was `made_with`, if that is to be said."""
    return f"{name}: {row['made_with']}" if row.get("made_with") else name


def training_cases(file: RunFile) -> int:
    """How many training cases a net has learned, before they were translated."""
    assert file.outcome.train is not None
    return file.outcome.train.cases // len(mnist.shifts(file.lineage.translations))


def differences(files: Collection[RunFile], *names: str) -> list[Note]:
    """What the files of one table do not have in common, of recipes, seeds and data sets."""
    values = {
        "recipes": {file.recipe for file in files},
        "seeds": {str(file.lineage.seed) for file in files},
        "data sets": {file.lineage.data for file in files},
    }
    return [
        Note.listing(f"the files come from different {name}", *sorted(values[name]))
        for name in names
        if len(values[name]) > 1
    ]


def stranger_notes(pairs: Iterable[tuple[RunFile, Sequence[RunFile]]]) -> list[Note]:
    """Of files, and the nets beside them that they should start from: which do from others."""
    kind = "starts from other nets than those beside it"
    return [
        Note(f"{file.path.name} {kind}", kind, file.path.name)
        for file, nets in pairs
        if file.lineage.parents and not {n.digest for n in nets} >= {*file.lineage.parents} and nets
    ]


def capped_notes(file: RunFile) -> list[Note]:
    """That a run ended before its stopping rule was met, if it did."""
    return [ended_early(file, file.path.name, "its rule")] if file.outcome.capped else []


def ended_early(file: RunFile, name: str, rule: str) -> Note:
    """That a run, which goes by some name, ended before its rule was met."""
    reason = f"{file.outcome.reason}, before {rule} was met"
    return Note(f"{name}: {reason}", reason, name)


def file_values(file: RunFile) -> Tree:
    """How a file was made, for JSON."""
    return {
        "file": file.path.name,
        "kind": file.kind.name,
        "sha256": file.digest,
        "recipe": file.recipe,
        "settings": to_tree(file.settings),
        "lineage": to_tree(file.lineage),
        "provenance": file.provenance,
        "reason": file.outcome.reason,
    }


def check_folder(folder: Path, file: Path | None = None) -> None:
    """Raise `ReportError` if nothing can be written into a folder, before work is done for it.

    It names the `file` that is to be written there, if there is one. What is missing is not made.
    """
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
        if file is not None:
            check_replaceable(file)
    except OSError as error:
        raise ReportError(f"{file or folder}: cannot be written: {error.strerror}") from None


def save(path: Path, content: bytes | str) -> None:
    """Write a file, a str as UTF-8; its folder is made if need be.

    Another picture that was there is not replaced in silence. Raises `ReportError` if the file
    cannot be written; what was at `path` is then untouched.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        check_replaceable(path)
        # Names of files in it may be no text.
        written = plain(content, "utf-8").encode() if isinstance(content, str) else content
        temporary.write_bytes(written)
        replaces = path.suffix in _PICTURES and path.is_file() and path.read_bytes() != written
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ReportError(f"{path}: cannot be written: {error.strerror}") from None
    if replaces:
        click.echo(f"hinton06: {path}: takes the place of another picture", err=True)
