"""The demonstration's page: what it holds, and, in a headless Chromium, what it computes and does.

The page's programs are held against the package, and their chains against exact enumeration. Tests
in the browser are skipped where there is none.
"""

from __future__ import annotations

import base64
import dataclasses
import importlib
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
import reference_generative as slow
from browser import NARROW, WIDE, Browser
from numpy.typing import NDArray
from PIL import Image
from reference import Floats
from reference_generative import Net
from test_cli import fails_in_one_line, run

from hinton06 import checkpoint, demo, loading, mnist
from hinton06.demo.weights import STEPS, RoundedNet, rounded
from hinton06.generation import Generator, fantasies, start
from hinton06.loading import Context
from hinton06.mnist import Digits
from hinton06.models import Classifier, DeepBeliefNet, Rbm, Stack
from hinton06.recognition import label_free_energies, label_log_probs, log_probs, pen_probs

STORED = Path(__file__).parent / "data" / "version-1"
NETS = STORED / "cws-a.h5", STORED / "pretrain-labels-a.h5"
DATA = "--data", STORED / "digits"
SIZES = 784, 60, 50, 80, 10
SECTIONS = ("recognise", "dream", "fill-in", "features", "compare")


def random_net(seed: int, sizes: Sequence[int] = SIZES) -> DeepBeliefNet:
    """Weights as wide as leave most units undecided; all biases apart."""
    n_vis, n_hid, n_pen, n_top, n_lab = sizes
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> Any:
        drawn = rng.standard_normal(shape) * 2 / np.sqrt(shape[0])
        if len(shape) == 2:
            drawn[:, 1] *= 5  # a unit whose weights have a step of their own
        return drawn.astype(np.float32)

    memory = draw(n_pen + n_lab, n_top)
    memory[n_pen:] *= 4  # labels that differ
    return DeepBeliefNet.from_arrays({
        "vishid": draw(n_vis, n_hid), "hid_rec_bias": draw(n_hid),
        "hidpen": draw(n_hid, n_pen), "pen_rec_bias": draw(n_pen),
        "penhid": draw(n_pen, n_hid), "hid_gen_bias": draw(n_hid),
        "hidvis": draw(n_hid, n_vis), "vis_gen_bias": draw(n_vis),
        "memory_weights": memory, "memory_visible_bias": draw(n_pen + n_lab),
        "memory_hidden_bias": draw(n_top), "n_labels": n_lab,
    })  # fmt: skip


def save_net(path: Path, model: Any, like: str = "cws-a.h5") -> Path:
    """A file of this model, which for the rest is one of the stored ones."""
    held = checkpoint.load(STORED / like)
    held.model = model.arrays()
    checkpoint.save(path, held)
    return path


def context(digits: Digits, progress: Any) -> Context:
    return Context(digits, progress)


def held_in(html: str, name: str) -> bytes:
    """What a script element of the page holds, unpacked."""
    found = re.search(rf'<script type="text/plain" id="{name}">([^<]+)</script>', html)
    assert found is not None
    return zlib.decompress(base64.b64decode(found[1]))


# -- weights as bytes ------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS)
def test_each_weight_is_within_half_a_step_and_steps_are_no_finer_than_said(step: float) -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((30, 20)).astype(np.float32)
    weights[3, 5] = 100.0
    weights[:, 7] = 0.0
    held = rounded(weights, step)
    assert held.codes.dtype == np.int8
    assert held.weights.dtype == np.float32
    largest = abs(weights).max(axis=0)
    expected = np.maximum(largest / 127, step * weights.std())
    np.testing.assert_allclose(held.steps, expected, rtol=1e-6)
    # Each is rounded in float32 as well, by less than a millionth of itself.
    assert (abs(held.weights - weights) <= held.steps / 2 + 1e-6 * abs(weights)).all()


def test_weights_that_are_all_zero_stay_so() -> None:
    assert not rounded(np.zeros((3, 4), np.float32), STEPS[0]).weights.any()


def test_a_greedily_learned_net_is_held_once_and_stays_tied() -> None:
    stack = loading.load(NETS[1]).model
    assert isinstance(stack, Stack)
    held = RoundedNet.of(DeepBeliefNet.untied(stack), STEPS[0])
    assert held.tied
    assert list(held.matrices) == ["vishid", "hidpen", "memory_weights"]
    np.testing.assert_array_equal(held.net.vishid, held.net.hidvis.T)
    np.testing.assert_array_equal(held.net.hidpen, held.net.penhid.T)
    assert not RoundedNet.of(random_net(0), STEPS[0]).tied


def test_the_page_holds_the_rounded_net_and_the_digits(
    tmp_path: Path, shipped: Digits, progress: Any
) -> None:
    path = save_net(tmp_path / "net.h5", random_net(1))
    made = demo.make(context(shipped, progress), [path])
    (net,) = made.nets
    content = held_in(made.html, "net-0")
    arrays = net.held.net.parameters()
    place = 0
    steps = {}
    for name, matrix in net.held.matrices.items():
        n = matrix.codes.shape[1]
        steps[name] = np.frombuffer(content, "<f4", n, place)
        place += 4 * n
    for name in ("hid_rec_bias", "pen_rec_bias", "hid_gen_bias", "vis_gen_bias",
                 "memory_visible_bias", "memory_hidden_bias"):  # fmt: skip
        bias = arrays[name]
        np.testing.assert_array_equal(np.frombuffer(content, "<f4", len(bias), place), bias)
        place += 4 * len(bias)
    for name, step in steps.items():
        shape = arrays[name].shape
        codes = np.frombuffer(content, np.int8, np.prod(shape), place).reshape(shape)
        np.testing.assert_array_equal(codes * step, arrays[name])
        place += codes.size
    assert place == len(content)
    pixels = np.frombuffer(held_in(made.html, "digits-data"), np.uint8).reshape(-1, 784)
    said = about(made.html)
    np.testing.assert_array_equal(pixels, shipped.test_images[said["cases"]])
    assert said["labels"] == shipped.test_labels[said["cases"]].tolist()


def about(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="about">(.+?)</script>', html)
    assert found is not None
    said: dict[str, Any] = json.loads(found[1])
    return said


def test_the_errors_that_are_told_are_those_of_both_nets(
    tmp_path: Path, shipped: Digits, progress: Any
) -> None:
    path = save_net(tmp_path / "net.h5", random_net(2))
    made = demo.make(context(shipped, progress), [path])
    (net,) = made.nets
    logs = [label_log_probs(n, shipped.test_images) for n in (random_net(2), net.held.net)]
    guesses = [each.argmax(axis=1) for each in logs]
    errors = [int((guess != shipped.test_labels).sum()) for guess in guesses]
    assert [net.score.errors, net.rounded_score.errors] == errors
    assert net.changed == (guesses[0] != guesses[1]).sum()
    told = about(made.html)["nets"][0]
    assert [told["errors"], told["rounded_errors"]] == errors
    assert told["changed"] == net.changed


def test_digits_are_the_first_of_each_class_and_then_its_hardest(shipped: Digits) -> None:
    rng = np.random.default_rng(3)
    labels = shipped.test_labels
    logs = rng.standard_normal((len(labels), 10))
    chosen = demo.choose_digits(logs, shipped)
    assert len(set(chosen)) == 100
    for label in range(10):
        mine = chosen[labels[chosen] == label]
        cases = [case for case in range(len(labels)) if labels[case] == label]
        assert mine[:8].tolist() == cases[:8]
        leads = {
            case: logs[case, label] - max(logs[case, k] for k in range(10) if k != label)
            for case in cases[8:]
        }
        assert mine[8:].tolist() == sorted(sorted(leads, key=lambda case: leads[case])[:2])
    np.testing.assert_array_equal(labels[chosen].reshape(10, 10), np.tile(np.arange(10), (10, 1)))


# -- the page and its command ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two tiny nets, by the command."""
    path = tmp_path_factory.mktemp("demo") / "two.html"
    result = run("demo", *NETS, *DATA, "-o", path, "--quiet", "--threads", "1")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == f"{path}: 0.1 MB, to be opened in a browser"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [str(net) for net in NETS]
    assert re.fullmatch(
        r"  .*: \d+ errors of 60 test cases, \d+ with the weights rounded to 1/16 of their "
        r"deviation", lines[1],
    )  # fmt: skip
    return path


def test_the_page_is_one_file_that_names_no_other(two: Path) -> None:
    html = two.read_text(encoding="utf-8")
    assert "{{" not in html
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!#)", html)
    assert not re.search(r"url\(|@import|import\s*\(|fetch\s*\(|https?://", html)
    assert "default-src 'none'" in html


def test_without_a_net_it_is_the_one_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def refuse(_options: Any, paths: Sequence[Path]) -> None:
        asked.extend(paths)
        raise demo.RunError("enough")

    monkeypatch.setattr(importlib.import_module("hinton06.cli.demo"), "measuring_context", refuse)
    fails_in_one_line(run("demo"), 1, "enough")
    assert asked == [Path("digits")]


def test_values_are_printed_as_json(tmp_path: Path) -> None:
    page = tmp_path / "one.html"
    result = run("demo", NETS[0], *DATA, "--out", page, "--json", "--quiet")
    values = json.loads(result.output)
    assert values["path"] == str(page)
    assert values["bytes"] == page.stat().st_size
    assert [net["file"] for net in values["nets"]] == ["cws-a.h5"]
    assert values["nets"][0]["sha256"] == loading.load(NETS[0]).digest


def test_what_cannot_be_a_page_has_one_line(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    out = *DATA, "-o", page, "--quiet"
    for file, words in (
        ("bp-a.h5", "generates nothing"),
        ("pretrain-a.h5", "learned without labels"),
        ("cws-b.h5.part", "is not finished"),
    ):
        fails_in_one_line(run("demo", STORED / file, *out), 1, file, words)
    fails_in_one_line(run("demo", NETS[0], "--data", "mnist", "-o", page, "-q"), 1, "49 inputs")
    fails_in_one_line(run("demo", *NETS, NETS[0], *out), 2, "one NET or two, not 3")
    fails_in_one_line(run("demo", NETS[0], *DATA, "-o", NETS[1]), 2, "ends in .html")
    missing = tmp_path / "file" / "page.html"
    missing.parent.write_text("no folder")
    fails_in_one_line(run("demo", NETS[0], *DATA, "-o", missing, "-q"), 1, "cannot be written")
    assert not page.exists()


def test_a_net_of_many_weights_is_rounded_more_and_one_of_too_many_refused(
    monkeypatch: pytest.MonkeyPatch, shipped: Digits, progress: Any, tmp_path: Path
) -> None:
    path = save_net(tmp_path / "net.h5", random_net(4))
    finest = demo.make(context(shipped, progress), [path])
    assert finest.step == STEPS[0]
    sizes = [len(RoundedNet.of(random_net(4), step).text()) for step in STEPS]
    assert sizes[0] > sizes[1] > sizes[2]
    rest = finest.size - sizes[0]
    monkeypatch.setattr(demo, "MAX_BYTES", sizes[1] + rest + 100)
    coarser = demo.make(context(shipped, progress), [path])
    assert coarser.step == STEPS[1]
    assert coarser.size <= sizes[1] + rest + 100
    monkeypatch.setattr(demo, "MAX_BYTES", sizes[2])
    with pytest.raises(demo.RunError, match=r"the page would have 0\.\d MB, more than 0\.\d"):
        demo.make(context(shipped, progress), [path])


def test_nets_of_one_kind_are_told_apart_by_their_files(tmp_path: Path) -> None:
    pages = []
    for files in (NETS, (NETS[0], STORED / "hybrid-a.h5")):
        page = tmp_path / "page.html"
        assert run("demo", *files, *DATA, "-o", page, "-q").exit_code == 0
        pages.append([net["name"] for net in about(page.read_text(encoding="utf-8"))["nets"]])
    assert pages == [["fine-tuned", "greedy"], ["cws-a", "hybrid-a"]]


# -- in the browser --------------------------------------------------------------------------------


@pytest.fixture
def opened(chromium: Browser) -> Callable[..., Browser]:
    """Opens a page, and says so where anything went wrong in it."""

    def open_page(path: Path, size: tuple[int, int] = WIDE, **view: Any) -> Browser:
        chromium.view(size, **view)
        chromium.open(path, "window.hinton06")
        assert chromium.errors == []
        return chromium

    return open_page


def as_float64(net: DeepBeliefNet) -> DeepBeliefNet:
    arrays = {name: array.astype(np.float64) for name, array in net.parameters().items()}
    return DeepBeliefNet.from_arrays({**arrays, "n_labels": net.n_labels})


RECOGNISE_ALL = """(() => {
    const { page, Recognition } = hinton06, recognition = new Recognition(page.net);
    return page.digits.map((digit) => {
        recognition.recognise(digit);
        const { pen, energies, labProbs, guess } = recognition;
        return { pen: [...pen], energies: [...energies], probs: [...labProbs], guess };
    });
})()"""


def rounding_variances(
    net: DeepBeliefNet, held: RoundedNet, images: Floats, guesses: Any
) -> tuple[Floats, Floats, Floats]:
    """Variances by the rounding: of pen's inputs, the free energies, and their rise from a label's.

    Roundings are independent and uniform within half a step either way, of variance step^2 / 12;
    each is carried on by the derivative of what comes of it: first order.
    """
    variance = {name: m.steps.astype(np.float64) ** 2 / 12 for name, m in held.matrices.items()}
    hid = reference_layer(images, net.vishid, net.hid_rec_bias)
    pen = reference_layer(hid, net.hidpen, net.pen_rec_bias)
    in_hid = (images**2).sum(axis=1)[:, None] * variance["vishid"]
    in_pen = (hid**2).sum(axis=1)[:, None] * variance["hidpen"]
    carried = (in_hid * (hid * (1 - hid)) ** 2) @ net.hidpen**2
    tops = np.stack([
        reference_layer(pen, net.pentop, net.top_bias + row) for row in net.labtop
    ], axis=1)  # fmt: skip

    def of_energies(top: Floats, of_labels: Floats, bias_too: bool) -> Floats:
        """From the slopes by top's inputs, and the squares of those by the labels' weights."""
        by_pen = top @ net.pentop.T + bias_too * net.pen_gen_bias
        by_pen *= (pen * (1 - pen))[:, None]
        by_hid = (by_pen @ net.hidpen.T) * (hid * (1 - hid))[:, None]
        by_memory = (pen**2).sum(axis=1)[:, None, None] * top**2 + of_labels
        return np.asarray(
            (by_memory * variance["memory_weights"]).sum(axis=2)
            + (by_pen**2 * in_pen[:, None]).sum(axis=2)
            + (by_hid**2 * in_hid[:, None]).sum(axis=2)
        )

    guessed = tops[np.arange(len(tops)), guesses][:, None]
    return (
        in_pen + carried,
        of_energies(tops, tops**2, True),
        of_energies(tops - guessed, tops**2 + guessed**2, False),
    )


def reference_layer(below: Floats, weights: Floats, bias: Floats) -> Floats:
    probs: Floats = 1 / (1 + np.exp(-(below @ weights + bias)))
    return probs


@pytest.mark.parametrize("tied", [False, True])
def test_a_hundred_digits_are_recognised_as_by_the_package(
    opened: Callable[..., Browser], tmp_path: Path, shipped: Digits, progress: Any, tied: bool
) -> None:
    own = random_net(5)
    if tied:
        own = dataclasses.replace(
            own, hidvis=np.ascontiguousarray(own.vishid.T),
            penhid=np.ascontiguousarray(own.hidpen.T),
        )  # fmt: skip
    path = save_net(tmp_path / "net.h5", own)
    made = demo.make(context(shipped, progress), [path])
    page = tmp_path / "page.html"
    page.write_text(made.html, encoding="utf-8")
    found = opened(page).run(RECOGNISE_ALL)
    assert len(found) == 100
    pen, energies, probs = (
        np.array([one[n] for one in found]) for n in ("pen", "energies", "probs")
    )
    images = shipped.test_images[about(made.html)["cases"]] / 255.0

    # Against the package with the same rounded weights: nothing but float64's digits is between.
    held = made.nets[0].held
    assert held.tied == tied
    net = as_float64(held.net)
    expected_pen = pen_probs(net, images)
    expected = label_free_energies(net.memory, expected_pen)
    # No more than 2,000 additions of numbers below 100 lie on the way, thrice over.
    np.testing.assert_allclose(pen, expected_pen, rtol=0, atol=reference.rounding(6000, 100))
    np.testing.assert_allclose(energies, expected, rtol=0, atol=reference.rounding(6000, 100))
    logs = label_log_probs(net, images)
    np.testing.assert_allclose(np.log(probs), logs, rtol=0, atol=reference.rounding(12000, 100))
    assert [one["guess"] for one in found] == logs.argmax(axis=1).tolist()

    # Against the file's own weights: within six standard errors of their rounding.
    net = as_float64(own)
    exact_pen = pen_probs(net, images)
    exact = label_free_energies(net.memory, exact_pen)
    guesses = exact.argmin(axis=1)
    of_pen, of_energies, of_rises = rounding_variances(net, held, images, guesses)
    logits = [np.log(p / (1 - p)) for p in (pen, exact_pen)]
    assert (abs(logits[0] - logits[1]) < 6 * np.sqrt(of_pen)).all()
    assert (abs(energies - exact) < 6 * np.sqrt(of_energies)).all()
    others = np.arange(10) != guesses[:, None]
    rises = [each - each[np.arange(100), guesses][:, None] for each in (energies, exact)]
    bound = 6 * np.sqrt(of_rises)
    assert (abs(rises[0] - rises[1]) < bound)[others].all()
    sure = ((rises[1] > bound) | ~others).all(axis=1)
    assert sure.sum() > 50
    assert (energies.argmin(axis=1) == guesses)[sure].all()


@pytest.fixture(scope="module")
def enumerable(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Net]:
    """The page of a net that can be enumerated, and the net as it is there: 4, 3, 2, 3 units."""
    net = slow.random_net(11)
    arrays = {name: array.astype(np.float32) for name, array in net._asdict().items()}
    folder = tmp_path_factory.mktemp("enumerable")
    path = save_net(
        folder / "net.h5", DeepBeliefNet.from_arrays({**arrays, "n_labels": net.n_labels})
    )
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 4)).astype(np.uint8)
    labels = (np.arange(12) % 3).astype(np.uint8)
    digits = Digits(images, labels, images, labels, (2, 2), "none", "four pixels")
    made = demo.make(Context(digits, Silent()), [path])
    page = folder / "page.html"
    page.write_text(made.html, encoding="utf-8")
    held = made.nets[0].held.net.parameters()
    return page, Net(*(held[name].astype(np.float64) for name in Net._fields))


class Silent:
    """No progress."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_: None


N_CHAINS = 20_000
COUNTED = """(() => {
    const { page, Chains, FillingIn, Random } = hinton06;
    const random = new Random(SEED), chains = new Chains(page.net, 1, random);
    const counts = {};
    for (let i = 0; i < N; i++) {
        BODY
        const key = [...chains.pen[0], ...chains.lab[0]].join("");
        counts[key] = (counts[key] ?? 0) + 1;
    }
    return counts;
})()"""


def counted(page: Browser, body: str, seed: int = 1) -> dict[str, int]:
    script = COUNTED.replace("BODY", body).replace("SEED", str(seed)).replace("N;", f"{N_CHAINS};")
    counts: dict[str, int] = page.run(script)
    assert sum(counts.values()) == N_CHAINS
    return counts


def key(state: Floats) -> str:
    return "".join(str(int(unit)) for unit in state)


def assert_distributed(counts: dict[str, int], states: Floats, chances: Floats) -> None:
    assert set(counts) <= {key(state) for state in states}
    shares = np.array([counts.get(key(state), 0) for state in states]) / N_CHAINS
    error = reference.sampling_error(chances * (1 - chances), N_CHAINS, len(states))
    assert (abs(shares - chances) < error).all()
    assert chances.std() > 2 * error.max() / 3, "too even to tell"


@pytest.mark.parametrize("rounds", [1, 3])
def test_chains_with_free_labels_go_by_the_exact_transitions(
    opened: Callable[..., Browser], enumerable: tuple[Path, Net], rounds: int
) -> None:
    path, net = enumerable
    states = slow.labelled_states(net.memory, net.n_labels)
    up, down = slow.labelled_conditionals(net.memory, net.n_labels)
    begin = 4
    chances = np.linalg.matrix_power(up @ down, rounds)[begin]
    pen, lab = states[begin][: -net.n_labels].tolist(), states[begin][-net.n_labels :].tolist()
    body = (
        f"chains.pen[0].set({pen}); chains.lab[0].set({lab});"
        f"for (let r = 0; r < {rounds}; r++) chains.round(0);"
    )
    assert_distributed(counted(opened(path), body), states, chances)


def test_a_clamped_label_stays_on_and_the_rest_goes_by_the_exact_transitions(
    opened: Callable[..., Browser], enumerable: tuple[Path, Net]
) -> None:
    path, net = enumerable
    n_labels, label = net.n_labels, 2
    states = slow.labelled_states(net.memory, n_labels)
    up, down = slow.labelled_conditionals(net.memory, n_labels)
    mine = states[:, -n_labels + label] == 1
    # Given the features, pen is independent of the label: its chance is summed over the labels.
    pens = states[mine][:, :-n_labels]
    same_pen = np.array([(states[:, :-n_labels] == pen).all(axis=1) for pen in pens])
    moves = up[mine] @ down @ same_pen.T
    chances = np.linalg.matrix_power(moves, 2)[1]
    body = (
        f"chains.clamped[0] = {label}; chains.pen[0].set({pens[1].tolist()}); chains.setLabel(0);"
        "chains.round(0); chains.round(0);"
    )
    assert_distributed(counted(opened(path), body), states[mine], chances)


def recognised(net: Net, image: Floats) -> Floats:
    """The chance of every state of pen after a stochastic up-pass."""
    pens = reference.binary_states(len(net.pen_rec_bias))
    chances = np.zeros(len(pens))
    for chance, _, pen in slow.recognition_states(net, image):
        chances[[key(p) for p in pens].index(key(pen))] += chance
    return chances


def test_chains_start_from_random_images_and_any_label(
    opened: Callable[..., Browser], enumerable: tuple[Path, Net]
) -> None:
    path, net = enumerable
    images = reference.binary_states(len(net.vis_gen_bias))
    pens = np.mean([recognised(net, image) for image in images], axis=0)
    states = slow.labelled_states(net.memory, net.n_labels)
    chances = np.repeat(pens, net.n_labels) / net.n_labels
    page = opened(path)
    assert_distributed(counted(page, "chains.startFromNoise(0);"), states, chances)
    noise = page.run(f"""(() => {{
        const {{ page, Chains, Random }} = hinton06, counts = {{}};
        const chains = new Chains(page.net, 1, new Random(3));
        page.net.sampledUpPass = (vis) => (counts[vis.join("")] = (counts[vis.join("")] ?? 0) + 1);
        for (let i = 0; i < {N_CHAINS}; i++) chains.startFromNoise(0);
        delete page.net.sampledUpPass;
        return counts;
    }})()""")
    shares = np.array([noise.get(key(image), 0) for image in images]) / N_CHAINS
    error = reference.sampling_error(15 / 256, N_CHAINS, 16)
    assert (abs(shares - 1 / 16) < error).all()


def painted(net: Net, pen: Floats) -> Floats:
    """The expected pixels of a top-down pass, over all states of hid."""
    hid_probs = slow.layer(pen, net.penhid, net.hid_gen_bias)
    total = np.zeros(len(net.vis_gen_bias))
    for hid in reference.binary_states(len(hid_probs)):
        chance = reference.state_probability(hid_probs, hid)
        total += chance * slow.layer(hid, net.hidvis, net.vis_gen_bias)
    return total


def test_the_erased_pixels_are_painted_and_the_others_held(
    opened: Callable[..., Browser], enumerable: tuple[Path, Net]
) -> None:
    """After one round: the expectation by visiting every state of hid, pen, lab and top."""
    path, net = enumerable
    image, erased, label = np.array([0.8, 0.3, 0.6, 0.9]), [0, 1, 0, 1], 1
    seen = np.where(erased, 0, image)
    up, down = slow.labelled_conditionals(net.memory, net.n_labels)
    states = slow.labelled_states(net.memory, net.n_labels)
    before = np.zeros(len(states))
    for state, chance in zip(states, np.repeat(recognised(net, seen), net.n_labels), strict=True):
        before[[key(s) for s in states].index(key(state))] = chance * state[-net.n_labels + label]
    after = before @ up @ down
    expected = sum(
        chance * painted(net, state[: -net.n_labels])
        for chance, state in zip(after, states, strict=True)
    )
    mean, square = opened(path).run(f"""(() => {{
        const {{ page, FillingIn, Random }} = hinton06;
        const filling = new FillingIn(page.net, 1, new Random(5));
        const mean = [0, 0, 0, 0], square = [0, 0, 0, 0];
        const image = Float64Array.from({image.tolist()});
        filling.chains.clamped[0] = {label};
        for (let i = 0; i < {N_CHAINS}; i++) {{
            filling.start(image, {erased});
            filling.round(0);
            filling.images[0].forEach((pixel, at) => {{
                mean[at] += pixel / {N_CHAINS};
                square[at] += pixel ** 2 / {N_CHAINS};
            }});
        }}
        return [mean, square];
    }})()""")
    held = np.array(erased) == 0
    np.testing.assert_allclose(
        np.array(mean)[held], image[held], rtol=0, atol=reference.rounding(2 * N_CHAINS)
    )
    variance = np.array(square) - np.array(mean) ** 2
    error = reference.sampling_error(variance, N_CHAINS, 2)
    assert (abs(np.array(mean) - expected) < error)[~held].all()
    assert (variance[~held] > 1e-3).all()


def test_random_numbers_are_sfc32_s(
    opened: Callable[..., Browser], enumerable: tuple[Path, Net]
) -> None:
    seed = 12345 + 7 * 2**32
    state = [0, seed % 2**32, seed // 2**32]
    words = [reference._sfc32(state, counter) for counter in range(1, 36)][15:]
    drawn = opened(enumerable[0]).run(
        f"(() => {{ const random = new hinton06.Random({seed});"
        "return Array.from({ length: 20 }, () => random.uniform()); })()"
    )
    assert drawn == [word / 2**32 for word in words]


@pytest.mark.parametrize("layer", ["hid", "pen", "top"])
def test_a_receptive_field_is_the_product_of_the_weights_below(
    opened: Callable[..., Browser], enumerable: tuple[Path, Net], layer: str
) -> None:
    path, net = enumerable
    pentop = net.memory_weights[: -net.n_labels]
    through = {
        "hid": net.vishid, "pen": net.vishid @ net.hidpen, "top": net.vishid @ net.hidpen @ pentop,
    }[layer]  # fmt: skip
    found = opened(path).run(
        f"(() => {{ const {{ page, receptiveField }} = hinton06, field = new Float64Array(4);"
        f"return Array.from({{ length: {through.shape[1]} }}, (_, unit) =>"
        f"(receptiveField(page.net, '{layer}', unit, field), [...field])); }})()"
    )
    np.testing.assert_allclose(found, through.T, rtol=0, atol=reference.rounding(30, 10))


# -- the page in docs ---------------------------------------------------------------------------


PAGE = Path(__file__).parents[1] / "docs" / "demo" / "digits.html"


@pytest.fixture(scope="module")
def inside() -> demo.Demonstration:
    """The page of the net inside the package, made now."""
    return demo.make(Context(mnist.read(), Silent()), [Path("digits")])


def test_the_page_in_docs_is_what_the_command_makes(inside: demo.Demonstration) -> None:
    """`hinton06 demo -o docs/demo/digits.html` makes it anew; packed alike or not, the same."""
    kept = PAGE.read_text(encoding="utf-8")
    assert len(kept.encode()) <= demo.MAX_BYTES
    packed = re.compile(r'(?<=<script type="text/plain" id=")([\w-]+)">[^<]+')
    assert packed.sub(r"\1", kept) == packed.sub(r"\1", inside.html)
    for name in ("digits-data", "net-0"):
        assert held_in(kept, name) == held_in(inside.html, name)


def test_the_page_in_docs_recognises_a_hundred_digits_as_the_package_does(
    opened: Callable[..., Browser], inside: demo.Demonstration, shipped: Digits
) -> None:
    found = opened(PAGE).run(RECOGNISE_ALL)
    (net,) = inside.nets
    exact, own = net.held.net, loading.load(Path("digits")).model
    images = shipped.test_images[about(inside.html)["cases"]] / 255.0
    logs = label_log_probs(as_float64(exact), images)
    energies = np.array([one["energies"] for one in found])
    expected = label_free_energies(as_float64(exact).memory, pen_probs(as_float64(exact), images))
    # As above, of 2,000 units and sums of their inputs.
    np.testing.assert_allclose(energies, expected, rtol=0, atol=reference.rounding(10_000, 1000))
    assert [one["guess"] for one in found] == logs.argmax(axis=1).tolist()
    theirs = as_float64(own)
    of_file = label_free_energies(theirs.memory, pen_probs(theirs, images))
    guesses = of_file.argmin(axis=1)
    _, of_energies, of_rises = rounding_variances(theirs, net.held, images, guesses)
    assert (abs(energies - of_file) < 6 * np.sqrt(of_energies)).all()
    rises = of_file - of_file[np.arange(100), guesses][:, None]
    sure = ((rises > 6 * np.sqrt(of_rises)) | (rises == 0)).all(axis=1)
    assert sure.sum() > 90
    assert (energies.argmin(axis=1) == guesses)[sure].all()


# -- dreams ----------------------------------------------------------------------------------------


def test_dreams_are_read_as_their_label_as_often_as_the_package_s(
    opened: Callable[..., Browser], tmp_path: Path, digits_dir: Path, tiny_digits: Digits,
    progress: Any,
) -> None:  # fmt: skip
    """By a net of backpropagation; all nets have learned a few hundred digits, for seconds."""
    data = "--data", digits_dir, "--threads", "1", "-q"
    small = "--layers", "60-60-120", "--passes", "30", "--recipe", "quick"
    stack, labels, net, judge = (tmp_path / f"{name}.h5" for name in ("s", "l", "g", "j"))
    for command in (
        ("pretrain", "--split", "a", "--out", stack, *small),
        ("pretrain", "--labels", "--split", "a", "--on", stack, "--out", labels, *small),
        ("finetune-cws", labels, "--out", net, "--epochs", "30"),
        ("finetune-bp", stack, "--out", judge, "--max-epochs", "20"),
    ):
        result = run(*command, *data)
        assert result.exit_code == 0, result.output
    made = demo.make(context(tiny_digits, progress), [net])
    page = tmp_path / "page.html"
    page.write_text(made.html, encoding="utf-8")
    n_each, rounds = 40, 100
    clamped = np.repeat(np.arange(10), n_each)
    images = opened(page).run(f"""(() => {{
        const {{ page, Chains, Random }} = hinton06;
        const chains = new Chains(page.net, 1, new Random(2)), images = [];
        for (let i = 0; i < {len(clamped)}; i++) {{
            chains.clamped[0] = Math.floor(i / {n_each});
            chains.startFromNoise(0);
            for (let r = 0; r < {rounds}; r++) chains.round(0);
            chains.paint(0);
            images.push([...chains.vis[0]]);
        }}
        return images;
    }})()""")
    judging = loading.load(judge).model
    rng = np.random.default_rng(0)
    generator = Generator.of_net(made.nets[0].held.net)
    chains = start(generator, len(clamped), rng, clamped)
    own = fantasies(generator, chains, 1, rounds, rng).images[:, 0]
    read = [
        log_probs(judging, dreams).argmax(axis=1) == clamped
        for dreams in (np.array(images, np.float32), own)
    ]
    shares = [float(each.mean()) for each in read]
    assert min(shares) > 0.3, "no better than chance"
    spread = sum(share * (1 - share) for share in shares)
    assert abs(shares[0] - shares[1]) < 5 * np.sqrt(spread / len(clamped))
    # And as much ink.
    inks = [np.asarray(dreams).sum(axis=1) for dreams in (images, own)]
    spread = sum(ink.var() for ink in inks)
    assert abs(inks[0].mean() - inks[1].mean()) < 5 * np.sqrt(spread / len(clamped))


# -- what one can do on the page ---------------------------------------------------------------


SETTLED = "hinton06.page.recognise.settled"


def verdict(page: Browser) -> str:
    page.wait(SETTLED)
    words: str = page.run("document.querySelector('#verdict').textContent")
    return words


def guess_of(image: NDArray[Any], path: Path) -> int:
    """The package's, with the rounded weights."""
    net = RoundedNet.of(loading.load(path).recogniser().net, STEPS[0]).net
    return int(label_log_probs(net, image.astype(np.float32)[np.newaxis]).argmax())


def test_a_test_digit_is_picked_by_click_and_keys_and_settles_at_the_up_pass(
    opened: Callable[..., Browser], two: Path
) -> None:
    page = opened(two)
    for place in (3, 4):
        if place == 3:
            page.click("#digits label:nth-child(4) canvas")
        else:
            page.key("ArrowRight")
        said = verdict(page)
        image = np.array(page.run("[...hinton06.page.image]"))
        label = page.run("hinton06.page.label")
        assert page.run("hinton06.page.digit") == place
        guess = guess_of(image, NETS[0])
        assert f"It is a {guess}, says the net" in said
        assert said.endswith("It is." if guess == label else f"Its label is {label}.")
        left = page.run("""(() => {
            const { page, Recognition } = hinton06, { shown } = page.recognise;
            const exact = new Recognition(page.net);
            exact.recognise(page.image);
            return Math.max(...["hid", "pen", "top", "energies"].flatMap((layer) =>
                [...exact[layer]].map((value, i) => Math.abs(value - shown[layer][i]))));
        })()""")
        assert left == 0


STROKE = [(0.5, 0.1), (0.5, 0.3), (0.5, 0.6), (0.5, 0.9)]


@pytest.mark.parametrize("how", ["mouse", "touch", "keys"])
def test_a_digit_is_drawn_by_mouse_finger_and_keys(
    opened: Callable[..., Browser], two: Path, how: str
) -> None:
    page = opened(two, NARROW if how == "touch" else WIDE)
    page.middle("#pad")
    left, top, side = page.run(
        "(() => { const b = document.querySelector('#pad').getBoundingClientRect();"
        "return [b.left, b.top, b.width]; })()"
    )
    points = [(left + x * side, top + y * side) for x, y in STROKE]
    if how == "mouse":
        page.mouse("mousePressed", *points[0])
        for point in points[1:]:
            page.mouse("mouseMoved", *point)
        page.mouse("mouseReleased", *points[-1])
    elif how == "touch":
        page.touch("touchStart", *points[0])
        for point in points[1:]:
            page.touch("touchMove", *point)
        page.touch("touchEnd")
    else:
        page.run("document.querySelector('#pad').focus()")
        for name in ["ArrowUp"] * 9 + [" "] + ["ArrowDown"] * 18 + [" "]:
            page.key(name)
    assert page.run("hinton06.page.recognise.pad.strokes.length") == 1
    assert page.run("hinton06.page.label") is None
    image = np.array(page.run("[...hinton06.page.image]")).reshape(7, 7)
    assert image[:, 3].sum() > 0.9 * image.sum() > 1, "an upright stroke in the middle"
    assert image[0, 3] < 0.7, "in the box that digits are fitted into"
    guess = guess_of(image.ravel(), NETS[0])
    assert f"It is a {guess}, says the net" in verdict(page)
    page.click("#undo")
    assert page.run("hinton06.page.image.every((pixel) => pixel === 0)")
    assert verdict(page).startswith("Nothing is drawn")


def test_a_drawing_is_centred_by_mass_in_a_box_of_20_unless_told_not_to(
    opened: Callable[..., Browser], two: Path
) -> None:
    drawn = """(() => {
        const rasteriser = new hinton06.Rasteriser([28, 28]);
        const strokes = [[[0.1, 0.1], [0.1, 0.4]], [[0.1, 0.4], [0.2, 0.4]]];
        return [...rasteriser.imageOf(strokes, CENTRED)];
    })()"""
    page = opened(two)
    rows, columns = np.indices((28, 28)) + 0.5
    image = np.array(page.run(drawn.replace("CENTRED", "true"))).reshape(28, 28)
    ink = image.sum()
    # By the middles of pixels, into which a stroke's edges are averaged; a sixth is the grain.
    assert abs((image * rows).sum() / ink - 14) < 1 / 6
    assert abs((image * columns).sum() / ink - 14) < 1 / 6
    high = np.flatnonzero(image.sum(axis=1) > 0.2)
    assert 19 <= high[-1] - high[0] + 1 <= 21
    as_drawn = np.array(page.run(drawn.replace("CENTRED", "false"))).reshape(28, 28)
    inked = np.argwhere(as_drawn > 0.5)
    np.testing.assert_allclose(inked.min(axis=0), [2, 2], atol=1)
    np.testing.assert_allclose(inked.max(axis=0), [11.5, 5.5], atol=1)


def test_binary_states_are_sampled_again_and_again_and_averaged(
    opened: Callable[..., Browser], two: Path
) -> None:
    page = opened(two)
    page.click("#binary")
    page.wait("hinton06.page.recognise.passes >= 3")
    assert set(page.run("[...hinton06.page.recognise.shown.hid]")) <= {0, 1}
    assert set(page.run("[...hinton06.page.recognise.shown.top]")) <= {0, 1}
    assert abs(sum(page.run("[...hinton06.page.recognise.meanProbs]")) - 1) < 1e-9
    page.wait("/Mean of [0-9]+ up-passes/.test(document.querySelector('#verdict').textContent)")


def test_dreams_run_pause_step_and_keep_to_their_labels(
    opened: Callable[..., Browser], two: Path
) -> None:
    page = opened(two, calm=True)
    dream = "hinton06.page.sections[1]"
    labels = f"{dream}.chains.lab.map((lab) => lab.indexOf(1))"
    assert page.run(f"{dream}.player.playing") is False, "no movement where it is not wanted"
    pictures = "[...document.querySelectorAll('#dreams canvas')].map((c) => c.toDataURL())"
    begun = page.run(pictures)
    page.click("#dream-player button:nth-of-type(2)")
    assert page.run(f"{dream}.player.rounds") == 1
    assert sum(a != b for a, b in zip(begun, page.run(pictures), strict=True)) > 5
    assert page.run(labels) == list(range(10))
    page.click("#dream-labels label:nth-child(5)")  # each its own, 0, 1, 2, 3
    page.click("#dream-player .play")
    page.wait(f"{dream}.player.rounds > 5")
    assert page.run(labels) == [3] * 10
    page.key("ArrowRight")  # on the button: nothing
    page.run("document.querySelector('#dream-player input').focus()")
    page.key("ArrowRight")
    assert page.run("document.querySelector('#dream-player .speed').textContent") == (
        "50 rounds a second"
    )
    page.click("#dream-labels label:last-child")
    page.wait(f"new Set({labels}).size > 1")
    page.click("#dream-player .play")
    stopped = page.run(f"{dream}.player.rounds")
    page.click("#dreams label:nth-child(4)")
    assert page.run(f"{dream}.watched") == 3
    assert page.run(f"{dream}.player.rounds") == stopped
    page.click("#dream-digit")
    assert page.run(f"{dream}.player.rounds") == 0
    for layer in ("pen", "top", "hid"):
        assert set(page.run(f"{dream}.chains.{layer}.flatMap((units) => [...units])")) <= {0, 1}


def test_rounds_are_as_many_a_second_as_are_asked_for(
    opened: Callable[..., Browser], two: Path
) -> None:
    """By a clock of the test's own: half a second in frames of 20 ms, of 5, 50 and 500 a second."""
    page = opened(two, calm=True)
    for place, rounds in ((2, 2), (5, 25), (8, 250)):
        made = page.run(f"""(() => {{
            const {{ player }} = hinton06.page.sections[1];
            player.rate.value = {place};
            player.restart();
            player.play(true);
            player.due = 0;
            for (let frame = 0; frame < 25; frame++) player.tick(0.02);
            player.play(false);
            return player.rounds;
        }})()""")
        assert made == rounds or (rounds == 250 and made > 25)


@pytest.mark.parametrize(
    ("place", "half"),
    [(1, "lower"), (2, "upper"), (3, "left"), (4, "right")],
)
def test_the_half_that_is_erased_is_filled_in_and_the_other_stays(
    opened: Callable[..., Browser], two: Path, place: int, half: str
) -> None:
    page = opened(two)
    fill = "hinton06.page.sections[2]"
    page.click("#digits label:nth-child(9)")
    page.click(f"#halves label:nth-child({place})")
    images = f"{fill}.filling.images.map((image) => [...image])"
    image = np.array(page.run("[...hinton06.page.image]")).reshape(7, 7)
    rows, columns = np.indices((7, 7))
    erased = {
        "lower": rows >= 3.5, "upper": rows < 3.5, "left": columns < 3.5, "right": columns >= 3.5,
    }[half]  # fmt: skip
    begun = np.array(page.run(images)).reshape(-1, 7, 7)
    np.testing.assert_array_equal(begun, np.broadcast_to(np.where(erased, 0, image), begun.shape))
    page.click("#fill-labels label:nth-child(3)")
    page.click("#fill-player .play")
    page.wait(f"{fill}.player.rounds > 2")
    filled = np.array(page.run(images)).reshape(-1, 7, 7)
    np.testing.assert_array_equal(filled[:, ~erased], begun[:, ~erased])
    assert (filled[:, erased] > 0).all()
    assert len(np.unique(filled[:, erased], axis=0)) > 1
    assert page.run(f"{fill}.filling.chains.lab.every((lab) => lab[2] === 1)")
    page.click("#fill-player .play")
    assert page.run(f"{fill}.player.rounds") > 2
    page.click("#another")
    assert page.run("hinton06.page.digit") == 9
    assert page.run(f"{fill}.player.rounds") == 0


def test_a_unit_that_is_chosen_shows_what_it_looks_for(
    opened: Callable[..., Browser], two: Path
) -> None:
    page = opened(two)
    x, y = page.middle("#recognise-net .pen canvas")
    for kind in ("mousePressed", "mouseReleased"):
        page.mouse(kind, x, y)
    title = "document.querySelector('#feature-title').textContent"
    unit = int(str(page.run(title)).removeprefix("pen, feature "))
    assert 1 < unit <= 12
    page.click("#layers label:nth-child(3)")
    page.wait(f"{title} === 'top, feature 1'")
    assert page.run("document.querySelector('#votes').hidden") is False
    weights = RoundedNet.of(loading.load(NETS[0]).model, STEPS[0]).net.labtop[:, 0]
    told = page.run("[...document.querySelectorAll('#bars i')].map((bar) => +bar.title)")
    np.testing.assert_allclose(told, weights, atol=0.0051)
    page.click("#fields label:nth-child(7)")
    page.wait(f"{title} === 'top, feature 7'")
    order = page.run("""(() => {
        const { activities } = hinton06.page.features;
        return activities.map(({ top }) => top[6]).sort((a, b) => b - a).slice(0, 8);
    })()""")
    told = page.run("[...document.querySelectorAll('#exciting small')].map((s) => +s.textContent)")
    np.testing.assert_allclose(told, order, atol=0.0051)
    page.click("#more")
    assert page.run(title) == "top, feature 1", "all are on one page, so the next is the first"


def test_two_nets_dream_side_by_side_and_either_can_be_the_page_s(
    opened: Callable[..., Browser], two: Path
) -> None:
    page = opened(two)
    compare = "hinton06.page.sections[4]"
    names = "[...document.querySelectorAll('#compared h3')].map((h) => h.textContent)"
    assert page.run(names) == ["fine-tuned", "greedy"]
    pictures = "[...document.querySelectorAll('#compared canvas')].map((c) => c.toDataURL())"
    begun = page.run(pictures)
    page.click("#compare-player button:nth-of-type(2)")
    assert sum(a != b for a, b in zip(begun, page.run(pictures), strict=True)) > 10
    for side in range(2):
        labels = page.run(f"{compare}.sides[{side}].chains.lab.map((lab) => lab.indexOf(1))")
        assert labels == list(range(10))
    page.click("#compare-player .play")
    page.wait(f"{compare}.player.rounds > 20")
    page.wait(f"{compare}.sides.every(({{ read }}) => !read.includes(-1))")
    words = page.run(
        "[...document.querySelectorAll('#compared .verdict')].map((p) => p.textContent)"
    )
    for side, text in enumerate(words):
        image = np.array(page.run("[...hinton06.page.image]"))
        found = re.search(r"The (?:digit|image) above: (\d), with", text)
        assert found is not None
        assert int(found[1]) == guess_of(image, NETS[side])
    page.click("#compare-player .play")
    page.click("#compare-noise")
    assert page.run(f"{compare}.player.rounds") == 0
    page.click("#nets label:nth-child(2)")
    assert page.run("hinton06.page.net === hinton06.page.nets[1]")
    image = np.array(page.run("[...hinton06.page.image]"))
    assert f"It is a {guess_of(image, NETS[1])}, says the net" in verdict(page)


def test_a_page_of_one_net_has_nothing_to_compare(
    opened: Callable[..., Browser], tmp_path: Path
) -> None:
    path = tmp_path / "one.html"
    assert run("demo", NETS[1], *DATA, "-o", path, "-q").exit_code == 0
    page = opened(path)
    hidden = page.run("[...document.querySelectorAll('.two')].map((e) => e.offsetParent === null)")
    assert hidden
    assert all(hidden)
    page.click("#dream-player button:nth-of-type(2)")
    assert page.errors == []


# -- the record ----------------------------------------------------------------------------------


MEASURED = Path(__file__).parents[1] / "experiments" / "demo"


@pytest.fixture
def measuring() -> Iterator[Any]:
    sys.path.insert(0, str(MEASURED))
    yield importlib.import_module("measure")
    sys.path.remove(str(MEASURED))


def test_the_measurement_of_a_page_is_of_its_nets(
    measuring: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chromium: Browser
) -> None:
    assert chromium
    monkeypatch.setattr(measuring, "_TIMED_S", 0.02)
    monkeypatch.setattr(measuring, "_ROUNDS", 3)
    own = random_net(7)
    stack = Stack((
        Rbm(own.vishid, own.vis_gen_bias, own.hid_rec_bias),
        Rbm(own.hidpen, own.hid_gen_bias, own.pen_rec_bias), own.memory,
    ))  # fmt: skip
    files = save_net(tmp_path / "net.h5", own), save_net(tmp_path / "stack.h5", stack, NETS[1].name)
    judge = Classifier.random((784, 9, 10), 3.0, np.random.default_rng(0))
    options = ["--judge", str(save_net(tmp_path / "judge.h5", judge, "bp-a.h5")), "--chains", "20",
               "--record", str(tmp_path), "--picture", str(tmp_path / "page.png")]  # fmt: skip
    result = run(*files, *options, command=measuring.main)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "demo.json").read_text())
    assert [net["file"] for net in found["nets"]] == ["net.h5", "stack.h5"]
    for net in found["nets"]:
        assert net["energies_from_rounded_net"] < 0.01, "float32's digits, of sums of a hundred"
        assert net["energies_from_file_rms"] <= net["energies_from_file_most"]
        assert (net["digits"], net["chains"], net["cases"]) == (100, 20, 10_000)
        assert net["rounds_a_second"] > 0
    assert found["bytes_of_first_alone"] < found["bytes"]
    assert (tmp_path / "demo.md").read_text() in result.output
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.size == (1200, 860)
    assert not (tmp_path / "page.html").exists()


def test_what_the_pages_say_of_the_demonstration_is_recorded() -> None:
    found = json.loads((MEASURED / "demo.json").read_text(encoding="utf-8"))
    net, greedy = found["nets"]
    pages = MEASURED.parents[1] / "docs" / "demo.md", MEASURED.parent / "README.md"
    guide, experiments = (page.read_text(encoding="utf-8") for page in pages)
    one, both = (f"{found[name] / 1e6:.1f} MB" for name in ("bytes_of_first_alone", "bytes"))
    assert f"has {one}, of two {both}" in " ".join(guide.split())
    assert (
        f"digits.html: {one}, to be opened in a browser\n"
        f"  runs/{net['file']}: {net['errors']} errors of {net['cases']:,} test cases, "
        f"{net['rounded_errors']} with the weights rounded to 1/{1 / found['step']:g} of their "
        "deviation\n"
    ) in guide
    read = f"{net['read_page_percent']} %, the package's {net['read_package_percent']} %"
    assert f"its dreams read as their label: {read}" in experiments
    for each in (net, greedy):
        share = each["read_package_percent"] / 100
        error = 100 * np.sqrt(2 * share * (1 - share) / each["chains"])
        assert abs(each["read_page_percent"] - each["read_package_percent"]) < 4 * error
        assert each["rounds_a_second"] > 20
    assert found["bytes"] <= demo.MAX_BYTES


# -- how the page looks ------------------------------------------------------------------------


def test_the_page_asks_for_nothing_and_reports_no_error(
    opened: Callable[..., Browser], two: Path
) -> None:
    page = opened(two)
    for section in SECTIONS:
        page.run(f"document.getElementById('{section}').scrollIntoView({{ behavior: 'instant' }})")
        page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.requests == [two.resolve().as_uri()]
    assert page.errors == []


@pytest.mark.parametrize("size", [NARROW, (768, 1024), WIDE, (2400, 1200)])
def test_nothing_is_wider_than_the_window(
    opened: Callable[..., Browser], two: Path, size: tuple[int, int]
) -> None:
    page = opened(two, size)
    assert page.outside() == []
    assert page.run("document.documentElement.scrollWidth") == size[0]


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_stands_out_and_the_button_changes_the_colours(
    opened: Callable[..., Browser], two: Path, dark: bool
) -> None:
    """WCAG 2.1, level AA: 4.5 to 1."""
    page = opened(two, dark=dark)
    for _ in range(2):
        found = page.contrasts()
        assert len(found) > 100
        assert [each for each in found if each[0] < 4.5] == []
        background = page.run("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background))) < 384) == dark
        page.click("#theme")
        dark = not dark


def test_every_control_has_a_name_and_is_explained_in_a_sentence(
    opened: Callable[..., Browser], two: Path
) -> None:
    page = opened(two)
    controls = page.run("""[...document.querySelectorAll(
        "main button, main input, main [tabindex], #nets input")].map((control) => {
            const place = control.closest(".control, .player, .which, .chains, .fields");
            const near = place.matches(".chains, .fields") ? place.nextElementSibling
                : place.querySelector(".hint");
            const hint = near?.matches(".hint") ? near.textContent.trim() : "";
            const name = control.getAttribute("aria-label") ?? control.closest("label")?.textContent
                ?? control.textContent;
            return [name.trim(), hint];
        })""")
    assert len(controls) > 100
    for name, hint in controls:
        assert name, hint
        assert hint.endswith("."), name
        assert len(hint.split()) > 4, name


def test_every_control_is_reached_by_the_keyboard(
    opened: Callable[..., Browser], two: Path
) -> None:
    page = opened(two)
    name = '((e) => e.type === "radio" ? `radio ${e.name}` : e.id || e.textContent || e.ariaLabel)'
    controls = "[...document.querySelectorAll('button, input, [tabindex], nav a')]"
    names = set(page.run(f"{controls}.map({name})"))
    reached = set()
    for _ in range(2 * len(names)):
        page.key("Tab")
        reached.add(page.run(f"{name}(document.activeElement)"))
    assert names <= reached


@pytest.mark.parametrize(("shape", "n_classes"), [((7, 5), 4), ((4, 6), 26), ((3, 3), 2)])
def test_images_of_any_shape_and_classes_of_any_number_have_a_page(
    opened: Callable[..., Browser], tmp_path: Path, progress: Any, shape: tuple[int, int],
    n_classes: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng(0)
    n_pixels = shape[0] * shape[1]
    images = rng.integers(0, 256, (3 * n_classes, n_pixels)).astype(np.uint8)
    labels = (np.arange(3 * n_classes) % n_classes).astype(np.uint8)
    digits = Digits(images, labels, images, labels, shape, "none", "others")
    path = save_net(tmp_path / "net.h5", random_net(6, (n_pixels, 9, 8, 23, n_classes)))
    page_file = tmp_path / "page.html"
    page_file.write_text(demo.make(context(digits, progress), [path]).html, encoding="utf-8")
    page = opened(page_file, NARROW)
    assert page.run("document.documentElement.scrollWidth") == NARROW[0]
    page.click("#digits label:nth-child(2)")
    image = np.array(page.run("[...hinton06.page.image]"))
    assert f"It is a {guess_of(image, path)}, says the net" in verdict(page)
    page.click("#halves label:nth-child(2)")
    for player in ("dream", "fill"):
        page.click(f"#{player}-player button:nth-of-type(2)")
    page.click("#layers label:nth-child(3)")
    page.click("#pad")
    assert page.run("hinton06.page.recognise.pad.strokes.length") == 1
    assert page.errors == []


def test_the_page_calls_labels_what_the_data_call_them(
    opened: Callable[..., Browser], tmp_path: Path, progress: Any
) -> None:
    names = (3, 5, 200)
    images = np.random.default_rng(0).integers(0, 256, (30, 35)).astype(np.uint8)
    labels = np.array(names, np.uint8)[np.arange(30) % 3]
    digits = Digits(images, labels, images, labels, (7, 5), "none", "others")
    path = save_net(tmp_path / "net.h5", random_net(6, (35, 9, 8, 23, 3)))
    held = checkpoint.load(path)
    held.lineage["classes"] = list(names)
    checkpoint.save(path, held)
    page_file = tmp_path / "page.html"
    page_file.write_text(demo.make(context(digits, progress), [path]).html, encoding="utf-8")
    page = opened(page_file)
    page.click("#digits label:nth-child(2)")
    image = np.array(page.run("[...hinton06.page.image]"))
    said, guess = verdict(page), guess_of(image, path)
    assert f"It is a {names[guess]}, says the net" in said
    own = names[page.run("hinton06.page.label")]
    assert said.endswith("It is." if own == names[guess] else f"Its label is {own}.")
    shown = {
        "#dream-labels label": ["each its own", "3", "5", "200", "free"],
        "#fill-labels label": ["3", "5", "200", "free"],
        ".valley b": ["3", "5", "200"],
        "#bars b": ["3", "5", "200"],
    }
    for place, texts in shown.items():
        found = f"[...document.querySelectorAll({place!r})].map((e) => e.textContent)"
        assert page.run(found)[: len(texts)] == texts, place
    described = page.run("document.querySelector('#digits input').getAttribute('aria-label')")
    assert re.fullmatch(r"Test image \d+: (3|5|200)", described)
    for player in ("dream", "fill"):
        page.click(f"#{player}-player button:nth-of-type(2)")
    captions = page.run(
        "[...document.querySelectorAll('#dreams small, #fills small')].map((e) => e.textContent)"
    )
    words = {word for caption in captions for word in re.findall(r"\d+", caption)}
    assert len(captions) == 20
    assert words
    assert words <= {"3", "5", "200"}
    heard = page.run("document.querySelector('.valleys').getAttribute('aria-label')")
    assert re.search(r"3: [+.\d]+, 5: [+.\d]+, 200: ", heard)


def test_without_scripts_and_in_an_old_browser_the_page_says_so(
    chromium: Browser, two: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old.html"
    html = two.read_text(encoding="utf-8")
    begin = '<script type="module">'
    older = html.replace(begin, begin + "delete window.DecompressionStream;")
    old.write_text(older, encoding="utf-8")
    chromium.view(WIDE)
    chromium.open(old, "document.querySelector('#loading.trouble')")
    assert "this browser cannot unpack the weights" in chromium.run(
        "document.querySelector('#loading').textContent"
    )
    assert "<noscript>" in html
