"""What the demonstration's page computes, beside the package, and how fast.

    python experiments/demo/measure.py runs/table1/cws-a.h5 runs/table1/pretrain-labels-a.h5 \
        --judge runs/table1/bp-a.h5 --record experiments/demo --picture docs/demo/page.png

Makes the page and opens it in a headless Chromium (tests/browser.py). For each net: what the
rounding of the weights does to the errors on the test cases, and to the free energies of the digits
on the page; which share of dreams, chains from random images with labels clamped, a net of
backpropagation takes for the clamped digit, the page's and the package's; Gibbs rounds a second of
one chain. Writes demo.json and demo.md, and a picture of the page.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from hinton06 import demo, loading, mnist, provenance
from hinton06.cli.display import Display
from hinton06.console import stopped_in_a_line
from hinton06.generation import Generator, fantasies, start
from hinton06.loading import Context
from hinton06.models import Classifier
from hinton06.recognition import label_free_energies, log_probs, pen_probs

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
import browser  # tests/browser.py

_ROUNDS = 1000
_TIMED_S = 3
_DRAWN = 89  # one of the hard ones
_ENERGIES = """(() => {
    const { page, Recognition } = hinton06, recognition = new Recognition(page.nets[NET]);
    return page.digits.map((digit) => (recognition.recognise(digit), [...recognition.energies]));
})()"""
_DREAM = """(() => {
    const { page, Chains, Random } = hinton06;
    const chains = new Chains(page.nets[NET], 1, new Random(SEED));
    chains.clamped[0] = LABEL;
    const images = [];
    for (let i = 0; i < EACH; i++) {
        chains.startFromNoise(0);
        for (let round = 0; round < ROUNDS; round++) chains.round(0);
        chains.paint(0);
        images.push([...chains.vis[0]]);
    }
    return images;
})()"""
_RATE = """(() => {
    const { page, Chains, Random } = hinton06;
    const chains = new Chains(page.nets[NET], 1, new Random(1));
    chains.startFromNoise(0);
    let rounds = 0;
    const begin = performance.now(), end = begin + 1000 * SECONDS;
    while (performance.now() < end) {
        for (let i = 0; i < 10; i++, rounds++) chains.round(0);
        chains.paint(0);
    }
    return rounds / SECONDS;
})()"""


def filled(script: str, **values: int) -> str:
    """The script with numbers in the place of names."""
    for name, value in values.items():
        script = script.replace(name, str(value))
    return script


def measure(
    page: browser.Browser,
    made: demo.Demonstration,
    number: int,
    digits: mnist.Digits,
    judge: Classifier,
    n_chains: int,
) -> dict[str, Any]:
    """One net of the page."""
    net = made.nets[number]
    own = net.file.recogniser().net
    cases = page.run("hinton06.page.cases")
    theirs = np.array(page.run(filled(_ENERGIES, NET=number)))
    images = digits.test_images[cases]
    ours, rounded = (
        label_free_energies(one.memory, pen_probs(one, images)) for one in (own, net.held.net)
    )
    apart = [each - each.min(axis=1, keepdims=True) for each in (theirs, ours)]
    n_labels = net.held.net.n_labels
    each = n_chains // n_labels
    clamped = np.repeat(np.arange(n_labels), each)
    dreams = np.concatenate([
        page.run(filled(_DREAM, NET=number, SEED=1 + label, LABEL=label, EACH=each, ROUNDS=_ROUNDS))
        for label in range(n_labels)
    ])  # fmt: skip
    rng = np.random.default_rng(0)
    generator = Generator.of_net(own)
    chains = start(generator, len(clamped), rng, clamped)
    packages = fantasies(generator, chains, 1, _ROUNDS, rng).images[:, 0]
    read = [
        100 * float((log_probs(judge, of.astype(np.float32)).argmax(axis=1) == clamped).mean())
        for of in (dreams, packages)
    ]
    return {
        **demo.values(net),
        "energies_from_rounded_net": float(abs(theirs - rounded).max()),
        "energies_from_file_rms": float(np.sqrt(np.mean((apart[0] - apart[1]) ** 2))),
        "energies_from_file_most": float(abs(apart[0] - apart[1]).max()),
        "guesses_as_file": int((theirs.argmin(axis=1) == ours.argmin(axis=1)).sum()),
        "digits": len(cases),
        "chains": len(clamped),
        "rounds": _ROUNDS,
        "read_page_percent": round(read[0], 1),
        "read_package_percent": round(read[1], 1),
        "ink_page": round(float(dreams.sum(axis=1).mean()), 1),
        "ink_package": round(float(packages.sum(axis=1).mean()), 1),
        "rounds_a_second": round(page.run(filled(_RATE, NET=number, SECONDS=_TIMED_S))),
    }


def draw(page: browser.Browser, path: Path) -> None:
    """The first section, with a digit that the net is not sure of."""
    page.view((1200, 860), calm=True)
    page.click(f"#digits label:nth-child({_DRAWN})")
    page.wait("hinton06.page.recognise.settled")
    page.run("document.querySelector('#recognise').scrollIntoView({ behavior: 'instant' })")
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path, full=False)
    with Image.open(path) as picture:
        smaller = picture.convert("RGB").quantize(64)
    smaller.save(path, optimize=True)


ROWS = {
    "errors of 10,000 test cases, the file's weights": "{errors:,}",
    "the page's": "{rounded_errors:,}",
    "guesses of these that differ": "{changed:,}",
    "free energies above the lowest, nats apart, root mean square": "{energies_from_file_rms:.3f}",
    "at most": "{energies_from_file_most:.2f}",
    "digits on the page with the same guess": "{guesses_as_file} of {digits}",
    "dreams read as their label, page": "{read_page_percent} %",
    "package": "{read_package_percent} %",
    "ink of a dream, full pixels, page": "{ink_page}",
    "the package's": "{ink_package}",
    "Gibbs rounds a second of one chain": "{rounds_a_second:,}",
}


def markdown(found: dict[str, Any]) -> str:
    """A line for each of `ROWS`, a column for each net."""
    nets = found["nets"]
    cells = [["", *(net["file"] for net in nets)], ["---", *["---:"] * len(nets)]]
    cells += [[name, *(form.format(**net) for net in nets)] for name, form in ROWS.items()]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    chains, rounds = nets[0]["chains"], nets[0]["rounds"]
    error = 100 * math.sqrt(0.25 / chains)
    lines += [
        "",
        f"A page of {found['bytes'] / 1e6:.2f} MB, its weights rounded to 1/{1 / found['step']:g} "
        f"of their deviation. {chains} dreams of {rounds:,} rounds from random images, read by "
        f"{found['judge']}; the standard error of a share is at most {error:.1f} %. "
        f"{found['browser']}, one core of {found['machine']}, at a load of {found['load']}.",
    ]
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--judge", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--chains", default=200, help="Dreams of each net.")
@click.option("--record", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path))
def main(
    files: tuple[Path, ...], judge: Path, chains: int, record: Path, picture: Path | None
) -> None:
    """Make the page, measure each of its nets, and write what was found."""
    executable = browser.found()
    if executable is None:
        raise click.ClickException("no Chromium found")
    digits = mnist.read()
    judging: Classifier = loading.load(judge).of_kind("classifier").model
    record.mkdir(parents=True, exist_ok=True)
    page = record / "page.html"
    with threadpool_limits(1):
        context = Context(digits, Display(quiet=True))
        alone, made = demo.make(context, files[:1]), demo.make(context, files)
        page.write_text(made.html, encoding="utf-8")
        opened = browser.Browser(executable)
        try:
            opened.view(browser.WIDE, calm=True)
            opened.open(page, "window.hinton06")
            nets = [
                measure(opened, made, number, digits, judging, chains)
                for number in range(len(files))
            ]
            if picture is not None:
                draw(opened, picture)
            name = opened.call("Browser.getVersion")["product"]
        finally:
            opened.close()
            page.unlink()
    found = {
        "bytes": made.size, "bytes_of_first_alone": alone.size, "step": made.step,
        "judge": judge.name, "browser": name, "machine": provenance.machine(),
        "load": round(os.getloadavg()[0], 1), "versions": provenance.describe(), "nets": nets,
    }  # fmt: skip
    (record / "demo.json").write_text(json.dumps(found, indent=1) + "\n")
    (record / "demo.md").write_text(markdown(found))
    click.echo(markdown(found))


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
