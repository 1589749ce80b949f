"""Damage real files in many ways, open each, and watch what the reader does.

Checkpoints, of this version and of the first, and IDX files are mutated: bytes flipped, cut,
swapped and repeated, datasets exchanged, wrong types, numbers that are none, sizes beyond all
memory, bombs, links and storage in other files, filters, deep groups, cycles. Most have a SHA-256
that fits, so that what is behind it is reached. A command then opens each in a process of its own.
It must end, in time and within a bound of memory, with code 0, or with code 1 and one line that
names the file; it must never print a traceback, and never open the decoy that some files point to.

    python experiments/faults/fuzz.py FOLDER --mutations 1200
"""

# ruff: noqa: D103, ARG001  # a mutation's name says what it does; not all draw random numbers

from __future__ import annotations

import argparse
import builtins
import csv
import ctypes
import dataclasses
import gzip
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torture

import hinton06.cli
from hinton06 import checkpoint, kinds, loading, provenance
from hinton06.checkpoint import CheckpointError
from hinton06.console import stopped_in_a_line

VERSION_1 = Path(__file__).parents[2] / "tests" / "data" / "version-1"
LONGEST_CPU_S = 20
MEMORY = 256 << 20
"""Bytes that opening a file may take beyond what the process has before it."""

_IN_OPEN = 0x20


# -- checkpoints ---------------------------------------------------------------------------------


def flip(content: bytes, rng: random.Random) -> bytes:
    """One to twenty bytes changed, near each other or anywhere."""
    damaged = bytearray(content)
    start = rng.randrange(len(damaged))
    for _ in range(rng.randint(1, 20)):
        near = rng.random() < 0.5
        place = min(len(damaged) - 1, start + rng.randrange(64)) if near else None
        place = rng.randrange(len(damaged)) if place is None else place
        damaged[place] ^= rng.randint(1, 255)
    return bytes(damaged)


def cut(content: bytes, rng: random.Random) -> bytes:
    """The beginning of a file."""
    return content[: rng.randrange(len(content))]


def shuffle(content: bytes, rng: random.Random) -> bytes:
    """A piece of a file copied over another piece."""
    damaged = bytearray(content)
    size = rng.choice([8, 64, 512])
    source, target = (rng.randrange(max(1, len(damaged) - size)) for _ in range(2))
    damaged[target : target + size] = damaged[source : source + size]
    return bytes(damaged)


def sizes(content: bytes, rng: random.Random) -> bytes:
    """A small number of the file, such as a size or an address, made huge."""
    damaged = bytearray(content)
    places = [
        i
        for i in range(0, len(damaged) - 8, 8)
        if damaged[i] > 0 and not any(damaged[i + 4 : i + 8])
    ]
    for _ in range(rng.randint(1, 3)):
        huge = rng.choice([2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 2, len(damaged) - 1])
        struct.pack_into("<Q", damaged, rng.choice(places), huge)
    return bytes(damaged)


Members = list[tuple[str, Any]]


def _members(file: h5py.File, kind: type) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, kind) else None)
    return found


def _dataset(file: h5py.File, rng: random.Random) -> str:
    return rng.choice(_members(file, h5py.Dataset))


def _replaced(file: h5py.File, rng: random.Random) -> str:
    name = _dataset(file, rng)
    del file[name]
    return name


def swap_datasets(file: h5py.File, rng: random.Random) -> None:
    one, other = rng.sample(_members(file, h5py.Dataset), 2)
    file.move(one, "aside")
    file.move(other, one)
    file.move("aside", other)


def wrong_dtype(file: h5py.File, rng: random.Random) -> None:
    name = _dataset(file, rng)
    array = np.zeros(file[name].shape)
    del file[name]
    file[name] = array.astype(
        rng.choice(["f2", ">f4", "f8", "i1", "i8", "u8", "c8", "S3", "?", "g"])
    )


def wrong_shape(file: h5py.File, rng: random.Random) -> None:
    name = _dataset(file, rng)
    kind = file[name].dtype
    del file[name]
    file[name] = np.ones(rng.choice([(), (0,), (1,), (3, 4), (2, 2, 2), (7,), (0, 5)]), kind)


def not_finite(file: h5py.File, rng: random.Random) -> None:
    array = file[_dataset(file, rng)]
    if array.dtype.kind == "f" and array.size:
        values = array[()]
        values.flat[rng.randrange(values.size)] = rng.choice([np.nan, np.inf, -np.inf, 3e38])
        array[...] = values


def huge_numbers(file: h5py.File, rng: random.Random) -> None:
    for name in _members(file, h5py.Dataset):
        if file[name].dtype.kind == "f" and file[name].size:
            file[name][...] = rng.choice([-1, 1]) * 1e38


def missing(file: h5py.File, rng: random.Random) -> None:
    del file[rng.choice(_members(file, h5py.Dataset) + _members(file, h5py.Group))]


def more(file: h5py.File, rng: random.Random) -> None:
    group = file[rng.choice(_members(file, h5py.Group))]
    group[rng.choice(["weights9", "rbm9", "more", "\x1b[31mred", "two\nlines"])] = np.ones(3, "f4")


def huge_dimensions(file: h5py.File, rng: random.Random) -> None:
    name = _replaced(file, rng)
    shape = rng.choice([(1 << 40,), (1 << 20, 1 << 20), (1 << 32, 1 << 31), (10**6, 784)])
    file.create_dataset(name, shape, rng.choice(["f4", "f8", "u1"]))


def compressed_bomb(file: h5py.File, rng: random.Random) -> None:
    name = _replaced(file, rng)
    zeros = file.create_dataset(
        name, (1 << 12, 1 << 12), "f8", compression="gzip", chunks=(1 << 10, 1 << 12)
    )
    zeros[: 1 << 10] = 0


def unknown_filter(file: h5py.File, rng: random.Random) -> None:
    name = _replaced(file, rng)
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4,))
    number = rng.choice([h5py.h5z.FILTER_FLETCHER32, 32_123])  # the second nobody has
    properties.set_filter(number, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((16,))
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F32LE, space, properties)


def external_storage(file: h5py.File, rng: random.Random) -> None:
    name = _replaced(file, rng)
    file.create_dataset(name, (64,), "f4", external=[(str(DECOY), 0, 256)])


def external_link(file: h5py.File, rng: random.Random) -> None:
    name = rng.choice(_members(file, h5py.Dataset) + _members(file, h5py.Group))
    del file[name]
    file[name] = h5py.ExternalLink(str(DECOY), "/" + name)


def virtual_dataset(file: h5py.File, rng: random.Random) -> None:
    name = _replaced(file, rng)
    unlimited = rng.random() < 0.5
    layout = h5py.VirtualLayout((4, 4), "f4", maxshape=(None, 4) if unlimited else None)
    layout[:] = h5py.VirtualSource(str(DECOY), "/model/weights1", (4, 4))
    file.create_virtual_dataset(name, layout)


def soft_link(file: h5py.File, rng: random.Random) -> None:
    name = _replaced(file, rng)
    file[name] = h5py.SoftLink(rng.choice(["/" + _dataset(file, rng), "/nowhere", "/" + name]))


def second_names(file: h5py.File, rng: random.Random) -> None:
    name = _dataset(file, rng)
    for number in range(500):
        file[f"model/alias{number}"] = file[name]


def deep_groups(file: h5py.File, rng: random.Random) -> None:
    group = file[rng.choice(_members(file, h5py.Group))]
    for _ in range(rng.choice([7, 100, 1000])):
        group = group.create_group("deeper")
        group.attrs["values"] = np.bytes_("{}")


def cycle(file: h5py.File, rng: random.Random) -> None:
    groups = _members(file, h5py.Group)
    file[rng.choice(groups) + "/again"] = file[rng.choice([*groups, "/"])]


def lattice(file: h5py.File, rng: random.Random) -> None:
    """Six levels of a hundred names each for the next level: 10^12 ways down."""
    group = file[rng.choice(["model", "state", "outcome"])]
    for _ in range(6):
        below = group.create_group("level")
        below.attrs["values"] = np.bytes_("{}")
        for number in range(100):
            group[f"name{number}"] = below
        group = below


def _values(file: h5py.File, rng: random.Random) -> tuple[h5py.Group, str]:
    if rng.random() < 0.6:
        return file["/"], "head"
    return file[rng.choice(_members(file, h5py.Group))], "values"


_STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1.5, float("nan"), float("inf"), -1e308, "", "text", "\x1b]0;x\x07",
    "two\nlines", "\ud800", [], [1, [2]], {}, {"a": {"b": []}}, "a" * 3000, ["a", 1], "../../etc",
)  # fmt: skip


def strange_values(file: h5py.File, rng: random.Random) -> None:
    """One of the recorded values replaced, removed or added."""
    group, name = _values(file, rng)
    tree = json.loads(group.attrs[name])
    places: list[tuple[dict[str, Any], str]] = []

    def walk(branch: dict[str, Any]) -> None:
        for key, value in branch.items():
            places.append((branch, key))
            if isinstance(value, dict):
                walk(value)

    walk(tree)
    if places and rng.random() < 0.9:
        branch, key = rng.choice(places)
        if rng.random() < 0.3:
            del branch[key]
        else:
            branch[key] = rng.choice(_STRANGE)
    else:
        tree["strange"] = rng.choice(_STRANGE)
    group.attrs[name] = np.bytes_(json.dumps(tree))


def strange_attribute(file: h5py.File, rng: random.Random) -> None:
    """A text that is no text, no JSON, or larger than any."""
    group, name = _values(file, rng)
    value = rng.choice([
        1.0, np.arange(4), h5py.Empty("S5"), np.bytes_("{"), np.bytes_("[" * 30_000), "{}",
        np.bytes_('{"a":' + "9" * 5000 + "}"), np.void(b"\xff\0"), np.array([b"{}"] * 3),
    ])  # fmt: skip
    del group.attrs[name]
    group.attrs[name] = value


def attribute_bomb(file: h5py.File, rng: random.Random) -> None:
    """Many texts of any length, which all may lie at the same place."""
    group, name = _values(file, rng)
    del group.attrs[name]
    texts = np.array(["x" * 50_000] * 1000, dtype=object)
    group.attrs.create(name, texts, dtype=h5py.string_dtype())


def strange_version(file: h5py.File, rng: random.Random) -> None:
    """Another version than the content is of, or none."""
    del file.attrs["version"]
    version = rng.choice(
        [None, 0, 1, 2, 3, -1, 2**63 - 1, 2.0, "2", np.arange(2), h5py.Empty("i8")]
    )
    if version is not None:
        file.attrs["version"] = version


def strange_seal(file: h5py.File, rng: random.Random) -> None:
    """The words that announce a SHA-256: gone, twice, or with nothing behind them."""
    words = rng.choice([None, np.void(checkpoint._SEAL), np.bytes_("sha256"), 1.0])
    name = rng.choice(["seal", "sealed", "head"])
    if words is None or name == "head":
        file.attrs.pop("seal", None)
    if words is not None:
        file.attrs[name if name != "head" else "a seal"] = words


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, cut, shuffle, sizes)
STRUCTURES: tuple[Callable[[h5py.File, random.Random], None], ...] = (
    swap_datasets, wrong_dtype, wrong_shape, not_finite, huge_numbers, missing, more,
    huge_dimensions, compressed_bomb, unknown_filter, external_storage, external_link,
    virtual_dataset, soft_link, second_names, deep_groups, cycle, lattice, strange_values,
    strange_attribute, attribute_bomb, strange_version, strange_seal,
)  # fmt: skip
DECOY = Path("decoy.h5")


def resealed(content: bytes, version: int) -> bytes:
    """A stranger knows how to make a SHA-256 that fits."""
    if version == 1:
        return content + checkpoint._SEAL + hashlib.sha256(content).digest()
    with suppress(CheckpointError):  # the damage hit the seal's own words
        return checkpoint.sealed(content)
    return content


def mutate_checkpoint(source: Path, target: Path, version: int, rng: random.Random) -> str:
    """A damaged copy of a checkpoint; returns how it was damaged."""
    content = source.read_bytes()
    of = ", version 1" if version == 1 else ""
    how = rng.choice(BYTES) if rng.random() < 0.45 else None
    if how and rng.random() < 0.3:  # chance, which no seal fits
        target.write_bytes(how(content, rng))
        return f"{how.__name__}, seal broken{of}"
    if version == 1:
        content = content[: -checkpoint._SEAL_SIZE]
    if how:
        target.write_bytes(resealed(how(content, rng), version))
        return how.__name__ + of
    structure = rng.choice(STRUCTURES)
    target.write_bytes(content)
    with h5py.File(target, "r+", libver="latest") as file:
        structure(file, rng)
    target.write_bytes(resealed(target.read_bytes(), version))
    return structure.__name__ + of


# -- IDX files -----------------------------------------------------------------------------------


def idx_bomb(content: bytes, rng: random.Random) -> bytes:
    """Zeros without end, as the header promises, in a small file."""
    n = rng.choice([10**5, 10**6, 5 * 10**6])
    header = (
        content[:4] + struct.pack(">3I", n, 28, 28)
        if content[3] == 3
        else content[:4] + struct.pack(">I", 784 * n)
    )
    return gzip.compress(header + bytes(min(784 * n, 50_000_000)), 9)


def idx_header(content: bytes, rng: random.Random) -> bytes:
    """Another size, type or number of dimensions."""
    damaged = bytearray(content)
    place = rng.randrange(16 if content[3] == 3 else 8)
    damaged[place] = rng.choice([0, 1, 2, 8, 13, 127, 255, rng.randrange(256)])
    return bytes(damaged)


def idx_longer(content: bytes, rng: random.Random) -> bytes:
    """More than is declared."""
    return content + bytes(rng.choice([1, 1000, 10**6]))


def idx_labels(content: bytes, rng: random.Random) -> bytes:
    """Labels, or pixels, of another range."""
    damaged = bytearray(content)
    damaged[rng.randrange(16, len(content))] = rng.randrange(256)
    return bytes(damaged)


def packed(content: bytes, rng: random.Random) -> bytes:
    """Damage to the gzip file around it."""
    return rng.choice([flip, cut, shuffle])(gzip.compress(content), rng)


def members(content: bytes, rng: random.Random) -> bytes:
    """Many gzip members behind each other, most of them empty."""
    return gzip.compress(content) + gzip.compress(b"") * rng.choice([1, 10_000])


def twice_packed(content: bytes, rng: random.Random) -> bytes:
    """A gzip file in a gzip file."""
    return gzip.compress(gzip.compress(content))


IDX = (
    flip,
    cut,
    shuffle,
    idx_bomb,
    idx_header,
    idx_longer,
    idx_labels,
    packed,
    members,
    twice_packed,
)


def mutate_idx(source: Path, target: Path, rng: random.Random) -> str:
    """Damage one of the four files of a folder of digits; returns how."""
    shutil.copytree(source, target, dirs_exist_ok=True)
    victim = rng.choice(sorted(target.iterdir()))
    how = rng.choice(IDX)
    victim.write_bytes(how(victim.read_bytes(), rng))
    return f"{how.__name__} of IDX"


# -- opening them --------------------------------------------------------------------------------


class Watch:
    """Whether anybody opens a file, by the kernel's word (inotify)."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK)
        if libc.inotify_add_watch(self._descriptor, str(path).encode(), _IN_OPEN) < 0:
            raise OSError(ctypes.get_errno(), "no inotify")

    def opened(self) -> bool:
        """Since the last time that this was asked."""
        try:
            return bool(os.read(self._descriptor, 4096))
        except BlockingIOError:
            return False


@dataclass(frozen=True)
class Verdict:
    """What opening one file did, and what is wrong with that, if anything."""

    mutation: str
    command: str
    code: int
    memory_mib: float
    line: str
    fault: str


def open_with(arguments: list[str], said: Path) -> tuple[int, str, float]:
    """Run a command in a copy of this process; its code, output and peak memory in bytes."""
    child = os.fork()
    if child == 0:
        try:
            descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(descriptor, 2)
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + MEMORY * 2,) * 2)
            resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_CPU_S,) * 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            hinton06.cli.main(arguments)
        except SystemExit as end:
            sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        os._exit(99)
    _, status, used = os.wait4(child, 0)
    text = said.read_text(errors="replace")
    return os.waitstatus_to_exitcode(status), text, used.ru_maxrss * 1024.0


def judge(code: int, text: str, memory: float, named: str, decoy_opened: bool) -> str:
    """What is wrong with how a command ended; empty if nothing is."""
    lines = text.strip().splitlines()
    one_line = len(lines) == 1 and named in text
    faults = {
        f"traceback: {lines[-1:]}": "Traceback" in text or code == 99,
        "too long": code in (-signal.SIGXCPU, -signal.SIGKILL),
        f"exit {code}": code not in (0, 1),
        "not one line that names the file": code == 1 and not one_line,
        "control characters": any(not c.isprintable() for line in lines for c in line),
        "another file was opened": decoy_opened,
        "too much memory": memory > MEMORY,
    }
    return next((fault for fault, found in faults.items() if found), "")


@dataclass(frozen=True)
class Source:
    """A file to be damaged, made with the images of a folder and so many threads.

    `command` uses it, with the file behind it, or if that is unfinished its later name.
    """

    path: Path
    version: int
    digits: Path
    threads: str
    command: tuple[str, ...]

    def use(self, net: Path, with_data: bool = True) -> list[str]:
        """The command that uses such a file under another name."""
        named = ["--out", str(net.with_suffix(""))] if net.suffix == ".part" else [str(net)]
        data = ["--data", str(self.digits)] if with_data or "--split" in self.command else []
        return [*self.command, *named, *data, "--quiet", "--threads", self.threads]

    def open(self, net: Path, rng: random.Random) -> list[str]:
        """Some command that opens a file of this sort under another name."""
        if rng.random() < 0.4:
            return ["show", str(net), *rng.choice([[], ["--json"]])]
        without = self.version > 1 and rng.random() < 0.2  # it says where they are
        command = self.use(net, not without)
        return [*command, "--json"] if rng.random() < 0.5 else command


HEARD = ("heard", "--cases", "20", "--rounds", "1", "--references", "2", "--dreams", "2",
         "--dream-rounds", "1")  # fmt: skip


def finished(folder: Path, version: int, digits: Path, threads: str) -> list[Source]:
    """The finished files of nets in a folder."""
    sources = []
    for path in sorted(folder.glob("*.h5")):
        if checkpoint.load(path).kind not in kinds.KINDS:  # measurements, that only their own
            continue  # command reads, as it does unfinished ones
        found = loading.load(path)
        plain = found.kind.name == "stack" and not found.lineage.labels
        command = ("finetune-bp", *torture.BACKPROP) if plain else ("evaluate",)
        command = HEARD if found.kind.name == "pairs" else command
        sources.append(Source(path, version, digits, threads, command))
    return sources


def unfinished(top: Path) -> list[Source]:
    """A file of each long command, killed."""
    folder, whole, sources = top / "unfinished", top / "undisturbed", []
    folder.mkdir()
    for command in torture.COMMANDS:
        for name in command.needs:
            shutil.copy(whole / name, folder)
        killed = ("before rename", 3, signal.SIGKILL, 0.0)
        torture.start(folder, command.arguments, killed)
        part = folder / (command.makes + ".part")
        words = tuple(str(whole / a) if a in command.needs else a for a in command.arguments)
        if part.exists():
            sources.append(Source(part, 2, top / "digits", torture.THREADS, words))
    return sources


# What the unfinished files of version 1 were made with, as trials.py finds out.
_CONTINUED = {
    "pretrain-c.h5.part": "pretrain --split c --recipe quick --layers 12-12-20 --passes 3 "
    "--batch 20",
    "bp-b.h5.part": "finetune-bp pretrain-b.h5 --batch 20 --patience 1 --max-epochs 6",
    "bp-a-again.h5.part": "finetune-bp --extend bp-a.h5 --batch 20 --all-cases-rate 0.0001 "
    "--patience 1 --max-epochs 6",
    "cws-b.h5.part": "finetune-cws pretrain-labels-b.h5 --batch 20 --epochs 4",
}


def of_version_1() -> list[Source]:
    """The files of version 1 that are kept for the tests, and how each goes on."""
    digits, sources = VERSION_1 / "digits", finished(VERSION_1, 1, VERSION_1 / "digits", "1")
    for name, line in _CONTINUED.items():
        words = tuple(str(VERSION_1 / w) if w.endswith(".h5") else w for w in line.split())
        sources.append(Source(VERSION_1 / name, 1, digits, "1", words))
    return sources


def check_undamaged(sources: list[Source], case: Path, said: Path) -> None:
    """Each command must work on an undamaged copy: or it would refuse for another reason."""
    for source in sources:
        command = source.use(Path(shutil.copy(source.path, emptied(case))))
        code, text, _ = open_with(command, said)
        if code != 0:
            raise SystemExit(f"{' '.join(command)}: exit {code}: {text}")


def emptied(folder: Path) -> Path:
    """The folder, with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def fuzz(
    top: Path, mutations: int, seed: int, log: Callable[[str], None],
    save: Callable[[list[Verdict]], None],
) -> list[Verdict]:  # fmt: skip
    """Make and open that many damaged files."""
    global DECOY  # noqa: PLW0603  # where the mutations that point elsewhere point to
    provenance.describe()
    torture.make_digits(top / "digits")
    torture.undisturbed(top)
    present = finished(top / "undisturbed", 2, top / "digits", torture.THREADS) + unfinished(top)
    said, case, first = top / "stderr.txt", top / "case", of_version_1()
    check_undamaged(present + first, case, said)
    DECOY = top / "decoy.h5"
    shutil.copy(present[0].path, DECOY)
    usual = open_with(["show", str(present[0].path)], said)[2]
    watch = Watch(DECOY)
    verdicts = []
    for number in range(mutations):
        rng = random.Random(f"{seed} {number}")
        emptied(case)
        try:
            if rng.random() < 0.3:
                what = mutate_idx(top / "digits", case / "digits", rng)
                net, named = top / "undisturbed" / "bp-a.h5", str(case / "digits")
                arguments = ["evaluate", str(net), "--data", named, "--quiet", "--threads", "1"]
                named = ""  # a file that fits no other may be named without its folder
            else:
                source = rng.choice(first if rng.random() < 0.25 else present)
                net = case / source.path.name
                what = mutate_checkpoint(source.path, net, source.version, rng)
                arguments, named = source.open(net, rng), str(net)
        except (ValueError, OSError, RuntimeError, KeyError, TypeError):
            continue  # this damage cannot be done to this file
        watch.opened()
        code, text, memory = open_with(arguments, said)
        beyond = max(0.0, memory - usual)
        fault = judge(code, text, beyond, named, watch.opened())
        lines = text.strip().splitlines()
        verdicts.append(
            Verdict(what, arguments[0], code, beyond / 2**20, lines[-1] if lines else "", fault)
        )
        if fault:
            log(f"{number}: {what}: {' '.join(arguments)}: {fault}: {text[-400:]}")
            shutil.copytree(case, top / f"fault{number}", dirs_exist_ok=True)
        if number % 50 == 0:
            save(verdicts)
            log(f"{number} mutations, {sum(1 for v in verdicts if v.fault)} faults")
    save(verdicts)
    return verdicts


def summary(verdicts: list[Verdict], seed: int, wall_seconds: float) -> dict[str, Any]:
    """The record of a fuzz, as JSON values."""
    kinds = Counter(verdict.mutation for verdict in verdicts)
    refused = Counter(verdict.mutation for verdict in verdicts if verdict.code == 1)
    return {
        "commit": provenance.git_revision(),
        "machine": provenance.machine(),
        "seed": seed,
        "mutations": len(verdicts),
        "faults": [f"{v.mutation}: {v.command}: {v.fault}: {v.line}" for v in verdicts if v.fault],
        "refused": sum(refused.values()),
        "most_memory_mib": round(max((v.memory_mib for v in verdicts), default=0.0)),
        "mutations_and_refusals": {k: [n, refused[k]] for k, n in sorted(kinds.items())},
        "wall_seconds": round(wall_seconds),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where to work; must not exist")
    parser.add_argument("--mutations", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, help="folder for fuzz-seedN.json and .csv")
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    top, started = given.folder.resolve(), time.monotonic()

    def save(verdicts: list[Verdict]) -> None:
        target = given.record or given.folder
        target.mkdir(parents=True, exist_ok=True)
        verdicts = [dataclasses.replace(v, line=v.line.replace(str(top), "...")) for v in verdicts]
        values = summary(verdicts, given.seed, time.monotonic() - started)
        (target / f"fuzz-seed{given.seed}.json").write_text(json.dumps(values, indent=2) + "\n")
        with builtins.open(target / f"fuzz-seed{given.seed}.csv", "w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["mutation", "command", "exit code", "MiB", "fault", "line"])
            for v in verdicts:
                rows.writerow([v.mutation, v.command, v.code, round(v.memory_mib), v.fault, v.line])

    verdicts = fuzz(top, given.mutations, given.seed, lambda line: print(line, flush=True), save)
    faults = [verdict for verdict in verdicts if verdict.fault]
    print(f"{len(verdicts)} mutations, {len(faults)} faults")
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
