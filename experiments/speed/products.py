"""The limit: the matrix products that each learner cannot do without, counted and run bare.

A learner's batch is a sequence of *steps*. A step is one product, or several that may as well be
done together (two batches one above the other, the weights of labels beside those of features);
where there is a choice, all ways are listed, of equal arithmetic, and the limit takes whichever
is the fastest on this machine. So the limit is not that of one program but of the algorithm.

A product is ``out (m, n) = left (m, k) @ right (k, n) + keep * out``, of 2 m k n operations. It
stands with the layout that the algorithm finds its factors in: weights are (below, above) and
batches are rows, so going up reads both as they lie, going down reads the weights transposed, and
a gradient reads the lower activities transposed and accumulates: into the velocity, ``keep`` being
the momentum of the recipe, or, where that is 0, into the weights themselves. No bias, no logistic,
no draw, no other update of a weight is in the limit.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from hinton06 import native

Floats = NDArray[np.float32]

BATCH = 100
EVALUATION_BATCH = 1000
LAYERS = (784, 500, 500, 2000)
N_LABELS = 10


@dataclass(frozen=True)
class Product:
    """One matrix product, (m, k) times (k, n): the arrays it reads and writes by name.

    One that is stored transposed has ``.T`` behind its name; `keep` is the factor of what `out`
    held: the momentum where a gradient goes into a velocity.
    """

    left: str
    right: str
    out: str
    m: int
    k: int
    n: int
    keep: float = 0.0

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.m * self.k * self.n

    def shapes(self) -> dict[str, tuple[int, int]]:
        """The shape in which each array is stored, by name without ``.T``."""
        stored = {self.out: (self.m, self.n)}
        for name, rows, columns in ((self.left, self.m, self.k), (self.right, self.k, self.n)):
            transposed = name.endswith(".T")
            stored[name.removesuffix(".T")] = (columns, rows) if transposed else (rows, columns)
        return stored

    def __str__(self) -> str:
        """In words, for the record."""
        layouts = "".join("T" if name.endswith(".T") else "N" for name in (self.left, self.right))
        return f"{self.m} x {self.k} x {self.n} {layouts}" + (" accumulating" * bool(self.keep))


Way = tuple[Product, ...]
Step = tuple[Way, ...]
"""The ways of doing one step; each is one product or more, and all have the same arithmetic."""


def flops(steps: Sequence[Step]) -> int:
    """The arithmetic of one batch; the same whichever ways are taken."""
    return sum(product.flops for step in steps for product in step[0])


# -- each learner's products ---------------------------------------------------------------------


def _only(*of_one_product: object, keep: float = 0.0) -> Step:
    return ((Product(*of_one_product, keep=keep),),)


def contrastive_divergence(n_visible: int, n_hidden: int, n: int, momentum: float) -> list[Step]:
    """CD-1: up, down, up, and both correlations of Eq. 4 as one product of 2 n cases.

    5 n_visible n_hidden multiply-adds a case: three passes, and one correlation of the data and
    one of the reconstruction.
    """
    v, h = n_visible, n_hidden
    return [
        _only("data", "weights", "hidden", n, v, h),
        _only("states", "weights.T", "reconstruction", n, h, v),
        _only("reconstruction", "weights", "hidden again", n, v, h),
        _only("both visible.T", "both hidden", "velocity", v, 2 * n, h, keep=momentum),
    ]


def backpropagation(sizes: Sequence[int], n: int, momentum: float) -> list[Step]:
    """Forward through every layer, back through all but the lowest, a gradient for each.

    3 multiply-adds a weight and case, without those of the deltas of the pixels, which nobody
    needs. Importance sampling changes which cases are in a batch, not the arithmetic of one.
    """
    layers = list(enumerate(pairwise(sizes), 1))
    up = [
        _only(f"layer{i - 1}", f"weights{i}", f"layer{i}", n, below, above)
        for i, (below, above) in layers
    ]
    down: list[Step] = []
    for i, (below, above) in reversed(layers):
        if i > 1:
            down += [_only(f"delta{i}", f"weights{i}.T", f"delta{i - 1}", n, above, below)]
        factors = f"layer{i - 1}.T", f"delta{i}", f"velocity{i}"
        down += [_only(*factors, below, n, above, keep=momentum)]
    return up + down


def moved(sizes: Sequence[int], n: int, along: bool = False) -> list[Step]:
    """Where images are moved to: forward through every layer, and back to the pixels.

    2 multiply-adds a weight and case; 3 where a direction is sent forward as well (`along`).
    """
    layers = list(enumerate(pairwise(sizes), 1))
    sent = ["unit", "change"] if along else ["unit"]
    up = [
        _only(f"{what}{i - 1}", f"weights{i}", f"{what}{i}", n, below, above)
        for what in sent for i, (below, above) in layers
    ]  # fmt: skip
    down = [
        _only(f"slope{i}", f"weights{i}.T", f"slope{i - 1}", n, above, below)
        for i, (below, above) in reversed(layers)
    ]
    return up + down


def wake_sleep(
    sizes: Sequence[int], n_labels: int, n: int, rounds: int, momentum: float
) -> list[Step]:
    """Contrastive wake-sleep: wake, `rounds` of Gibbs sampling, sleep, predictions, gradients.

    Each of the four lower weight matrices drives its layer once, predicts once, and has one
    gradient, where the recognition weights are driven by wake and predict sleep, the generative
    ones predict wake and are driven by sleep: 3 multiply-adds a weight. The memory has 1 product
    in the wake pass, 2 in each round, and 2 for the correlations of Eq. 4. Wake and sleep meet
    the generative weights at the same time, so both batches can be one product of 2 n cases.
    """
    vis, hid, pen, top = sizes
    visible = pen + n_labels
    steps = [
        _only("data", "vishid", "hid input", n, vis, hid),
        _only("wake hid", "hidpen", "pen input", n, hid, pen),
        _only("wake visible", "memory", "top input", n, visible, top),
    ]
    for _ in range(rounds):
        steps += [
            _memory_down(n, pen, n_labels, top),
            _only("confab visible", "memory", "top input", n, visible, top),
        ]
    gradients = (
        ("wake hid", "hidvis", hid, vis), ("wake pen", "penhid", pen, hid),
        ("sleep hid", "hidpen", hid, pen), ("sleep vis", "vishid", vis, hid),
    )  # fmt: skip
    return [
        *steps,
        _twice("pen", "penhid", "hid prediction", n, pen, hid),
        _twice("hid", "hidvis", "vis prediction", n, hid, vis),
        _only("sleep hid", "hidpen", "pen prediction", n, hid, pen),
        _only("sleep vis", "vishid", "sleep hid prediction", n, vis, hid),
        *(
            _only(f"{driving}.T", f"missed {name}", f"{name} velocity", below, n, above,
                  keep=momentum)
            for driving, name, below, above in gradients
        ),
        _only("both visible.T", "both top", "memory velocity", visible, 2 * n, top, keep=momentum),
    ]  # fmt: skip


def _twice(layer: str, weights: str, out: str, n: int, k: int, m: int) -> Step:
    """The wake and the sleep batch on the same weights, apart or one above the other."""
    apart = tuple(
        Product(f"{half} {layer}", weights, f"{half} {out}", n, k, m) for half in ("wake", "sleep")
    )
    return apart, (Product(f"both {layer}", weights, f"both {out}", 2 * n, k, m),)


def _memory_down(n: int, pen: int, n_labels: int, top: int) -> Step:
    """From top to pen and the labels, apart or as one product."""
    together = (Product("confab top", "memory.T", "visible input", n, top, pen + n_labels),)
    if not n_labels:
        return (together,)
    apart = (
        Product("confab top", "pentop.T", "pen input", n, top, pen),
        Product("confab top", "labtop.T", "lab input", n, top, n_labels),
    )
    return apart, together


def label_gradient(sizes: Sequence[int], n: int, momentum: float) -> list[Step]:
    """The gradient of log p(label | image) by free energy, beside a wake pass.

    Up through pen and the pentop weights, back through all three but the pixels, three
    gradients. The labels' ten weight vectors take part in no matrix product. The first product
    up, of the data and the recognition weights, is the wake pass's own and counted there.
    """
    steps = backpropagation(sizes, n, momentum)[1:]
    return [tuple(tuple(_renamed(p) for p in way) for way in step) for step in steps]


def _renamed(product: Product) -> Product:
    """With the weights of the generative net, which contrastive wake-sleep uses too."""
    names = {"weights1": "vishid", "weights2": "hidpen", "weights3": "pentop"}
    name, mark, end = product.right.partition(".T")
    right = names.get(name, name) + mark + end
    return Product(product.left, right, product.out, product.m, product.k, product.n, product.keep)


def mixed_gradient(
    sizes: Sequence[int], n_labels: int, n: int, rounds: int, momenta: tuple[float, float]
) -> list[Step]:
    """Contrastive wake-sleep and the label gradient, of the same cases and weights."""
    return [
        *label_gradient(sizes, n, momenta[1]),
        *wake_sleep(sizes, n_labels, n, rounds, momenta[0]),
    ]


def free_energy(sizes: Sequence[int], n: int) -> list[Step]:
    """Recognition by free energy: up to pen, and once to top, which serves all labels."""
    names = ("vishid", "hidpen", "pentop")
    return [
        _only(f"layer{i}", names[i], f"layer{i + 1}", n, below, above)
        for i, (below, above) in enumerate(pairwise(sizes))
    ]


# -- running them --------------------------------------------------------------------------------


def by_numpy(left: Floats, right: Floats, out: Floats, keep: float) -> None:
    """NumPy's BLAS, which cannot accumulate."""
    assert not keep
    np.matmul(left, right, out=out)


def by_scipy(left: Floats, right: Floats, out: Floats, keep: float) -> None:
    """SciPy's BLAS, on transposes, since its arrays are column-major."""
    right_t, right_trans = (right.T, 0) if right.flags.c_contiguous else (right, 1)
    left_t, left_trans = (left.T, 0) if left.flags.c_contiguous else (left, 1)
    blas.sgemm(1e-3, right_t, left_t, keep, out.T, right_trans, left_trans, 1)


def by_numpys_sgemm(left: Floats, right: Floats, out: Floats, keep: float) -> None:
    """NumPy's BLAS, called past NumPy, which lets it accumulate."""
    sgemm, (m, n) = numpys_sgemm(), out.shape
    turned = [not x.flags.c_contiguous for x in (left, right)]
    steps = [x.strides[turned_x] // 4 for x, turned_x in zip((left, right), turned, strict=True)]
    assert sgemm
    sgemm(101, 111 + turned[0], 111 + turned[1], m, n, len(right), 1e-3, left.ctypes.data, steps[0],
          right.ctypes.data, steps[1], keep, out.ctypes.data, n)  # fmt: skip


@cache
def numpys_sgemm() -> Any:
    """``cblas_sgemm`` of NumPy's BLAS, where it can be told where that is; else None."""
    found = native.find_sgemm(native.NUMPYS)
    if not found:
        return None
    address, wide = found
    order, pointer, number = ctypes.c_int, ctypes.c_void_p, ctypes.c_float
    whole = ctypes.c_int64 if wide else ctypes.c_int
    return ctypes.CFUNCTYPE(
        None, order, order, order, whole, whole, whole, number, pointer, whole, pointer, whole,
        number, pointer, whole,
    )(address)  # fmt: skip


IMPLEMENTATIONS = {
    "numpy.matmul": by_numpy, "scipy sgemm": by_scipy, "numpy's sgemm": by_numpys_sgemm,
}  # fmt: skip


def implementations(product: Product, past_numpy: bool = True) -> list[str]:
    """Those that can do a product as it stands; also those past NumPy, or what it offers only."""
    able = ["scipy sgemm"] if product.keep else ["numpy.matmul", "scipy sgemm"]
    return [*able, "numpy's sgemm"] if past_numpy and numpys_sgemm() else able


def arrays_for(steps: Sequence[Step], rng: np.random.Generator) -> dict[str, Floats]:
    """Every array of a learner, filled as activities are; each weight matrix is one of its own.

    So the sequence goes through as much memory as the learner's products do. (The weights of
    labels and of pen, where they are products of their own, are parts of the memory's array in a
    learner; here they are arrays beside it.)
    """
    shapes: dict[str, tuple[int, int]] = {}
    for step in steps:
        for way in step:
            for product in way:
                for name, shape in product.shapes().items():
                    if shapes.setdefault(name, shape) != shape:
                        raise ValueError(f"{name} is {shapes[name]} and {shape}")
    return {name: rng.random(shape, dtype=np.float32) - 0.5 for name, shape in shapes.items()}


def bind(product: Product, arrays: dict[str, Floats], name: str) -> Callable[[], None]:
    """A product by one implementation as a call without arguments."""
    left, right = (
        arrays[n.removesuffix(".T")].T if n.endswith(".T") else arrays[n]
        for n in (product.left, product.right)
    )
    multiply, out, keep = IMPLEMENTATIONS[name], arrays[product.out], product.keep
    return lambda: multiply(left, right, out, keep)


def fastest(
    step: Step,
    arrays: dict[str, Floats],
    measure: Callable[[list[Callable[[], None]]], list[float]],
    past_numpy: bool = True,
) -> tuple[list[tuple[Product, str]], float]:
    """The way and the implementations that take the least time, and that time.

    `measure` gives the seconds of each of several calls, compared fairly; `past_numpy`: whether
    NumPy's BLAS may be called past NumPy.
    """
    best: list[tuple[Product, str]] = []
    least = float("inf")
    for way in step:
        chosen, total = [], 0.0
        for product in way:
            names = implementations(product, past_numpy)
            seconds = measure([bind(product, arrays, name) for name in names])
            place = int(np.argmin(seconds))
            chosen.append((product, names[place]))
            total += seconds[place]
        if total < least:
            best, least = chosen, total
    return best, least


def take_turns(calls: list[Callable[[], None]], turns: int = 15) -> list[float]:
    """Median seconds of each call, in turns, so that a disturbance meets all of them."""
    seconds = np.empty((turns + 2, len(calls)))
    for turn in range(turns + 2):
        for number, call in enumerate(calls):
            started = time.perf_counter()
            call()
            seconds[turn, number] = time.perf_counter() - started
    return [float(x) for x in np.median(seconds[2:], axis=0)]


class Limit:
    """A learner's products and nothing else, each in the fastest way on this machine.

    `past_numpy` as in `fastest`.
    """

    def __init__(
        self, steps: Sequence[Step], rng: np.random.Generator, past_numpy: bool = True
    ) -> None:
        arrays = arrays_for(steps, rng)
        known: dict[Step, list[tuple[Product, str]]] = {}  # the same in every Gibbs round
        for step in steps:
            if step not in known:
                known[step] = fastest(step, arrays, take_turns, past_numpy)[0]
        self.chosen = [pair for step in steps for pair in known[step]]
        self._calls = [bind(product, arrays, name) for product, name in self.chosen]

    def run(self, batches: int) -> None:
        """So many batches."""
        for _ in range(batches):
            for call in self._calls:
                call()

    def choices(self) -> list[str]:
        """Each different product and what does it, for the record."""
        return list(dict.fromkeys(f"{product}: {name}" for product, name in self.chosen))
