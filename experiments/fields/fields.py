"""What the chapter says of the feature detectors of Figure 3, measured in first layers.

``fields.py STACK … --out RECORD`` takes stacks of one set of images. Written are ``fields.json``,
``fields.md`` and ``fields.png``:

- over how much of the image receptive fields extend: "most" are "highly localized";
- the mean weight at each distance from a field's strongest pixel: "on-center off-surround
  structure (or the reverse)", strokes that "inhibit the region of the image that is further from
  the center";
- the Fourier component that is most of a field, its share and its frequency: "fingerprints ...
  encode the phase and amplitude of high-frequency fourier components";
- how alike the rows of a field are that are so many rows apart, and the columns: "if a pixel is
  on, pixels that are more than 20 rows above or below it cannot be on"; and how tall images are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hinton06 import fingerprints, native
from hinton06.checkpoint import CheckpointError
from hinton06.console import stopped_in_a_line
from hinton06.evaluation import EVERY_CASE, parts_of
from hinton06.learning import Silent
from hinton06.loading import Context, RunFile, digits_of, load
from hinton06.mnist import DataError
from hinton06.models import Rbm
from hinton06.recipes import RECIPES
from hinton06.report import curves, files, grids
from hinton06.report.table import Column, Table
from hinton06.training import RunError

Floats = NDArray[np.float64]
Shape = tuple[int, int]

STEP = 0.5
"""Between the frequencies that are tried, in cycles an image."""
BEFORE, FINGERPRINTS, OTHERS = "before learning", "fingerprints", "others"
FARTHEST, SHOWN, SEED = 14, 6, 0


# -- images --------------------------------------------------------------------------------------


def heights(images: NDArray[Any], shape: Shape) -> list[int]:
    """How many images are 0, 1, 2, ... rows tall, from their first row with ink to their last."""
    inked = images.reshape(-1, *shape).any(axis=2)
    tall = shape[0] - inked[:, ::-1].argmax(axis=1) - inked.argmax(axis=1)
    counts = np.bincount(np.where(inked.any(axis=1), tall, 0), minlength=shape[0] + 1)
    return [int(count) for count in counts]


def middle_frequency(images: NDArray[Any], shape: Shape) -> float:
    """The frequency, in cycles an image, below which half of the images' variance lies."""
    power, mean = np.zeros(shape), images.mean(axis=0, dtype=np.float64)
    for start in range(0, len(images), 1000):
        waves = np.fft.fft2((images[start : start + 1000] - mean).reshape(-1, *shape))
        power += (np.abs(waves) ** 2).sum(axis=0)
    size = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in shape), indexing="ij"))
    order = np.argsort(size, axis=None)
    below = np.cumsum(power.ravel()[order])
    return float(size.ravel()[order][np.searchsorted(below, below[-1] / 2)])


# -- fields, (n_pixels, n_features) --------------------------------------------------------------


def components(fields: Floats, variances: Floats, shape: Shape) -> tuple[Floats, Floats]:
    """Of each field the Fourier component nearest to it: its share of the power, its frequency.

    A component is a cosine with a phase and an amplitude, fitted by least squares in which pixels
    weigh as their variance over images, to what a field has beside its mean.
    """
    share = variances / variances.sum()
    apart = fields - share @ fields
    power = share @ apart**2
    rows, columns = np.indices(shape).reshape(2, -1)
    best, found = np.zeros(fields.shape[1]), np.zeros(fields.shape[1])
    for down in np.arange(0, shape[0] / 2 + STEP / 2, STEP):
        for right in np.arange(-shape[1] / 2, shape[1] / 2 + STEP / 2, STEP):
            if down == 0 and right <= 0:  # the same wave as with both signs changed
                continue
            angles = 2 * np.pi * (down * rows / shape[0] + right * columns / shape[1])
            waves = np.stack([np.cos(angles), np.sin(angles)], axis=1)
            waves -= share @ waves
            along = waves.T @ (apart * share[:, np.newaxis])
            # At the highest frequencies a sine is 0 at all pixels, and fits nothing.
            fitted = np.linalg.pinv(waves.T @ (waves * share[:, np.newaxis]), rcond=1e-9) @ along
            explained = np.divide(
                (along * fitted).sum(axis=0), power, out=np.zeros_like(power), where=power > 0
            )
            better = explained > best
            best[better], found[better] = explained[better], np.hypot(down, right)
    return best, found


def around(fields: Floats, variances: Floats, shape: Shape) -> tuple[NDArray[np.bool_], Floats]:
    """Which fields are positive at their strongest pixel, and their weights by distance from it.

    The strongest is the one whose weight is largest times its standard deviation over images. Mean
    weights, their sign changed where the strongest is negative, of the pixels that vary whose
    distance rounds to 0, 1, ... pixels: (n_features, FARTHEST + 1), NaN where there is none.
    """
    places = np.indices(shape).reshape(2, -1).T
    seen = variances > 0
    centres = np.argmax(np.abs(fields) * np.sqrt(variances)[:, np.newaxis], axis=0)
    positive = fields[centres, np.arange(fields.shape[1])] > 0
    means = np.full((fields.shape[1], FARTHEST + 1), np.nan)
    for feature, centre in enumerate(centres):
        distances = np.rint(np.hypot(*(places - places[centre]).T)).astype(np.int64)
        near = seen & (distances <= FARTHEST)
        counts = np.bincount(distances[near], minlength=FARTHEST + 1)
        sums = np.bincount(distances[near], fields[near, feature], minlength=FARTHEST + 1)
        np.divide(sums, counts, out=means[feature], where=counts > 0)
    return positive, np.where(positive[:, np.newaxis], means, -means)


def row_means(fields: Floats, variances: Floats, shape: Shape) -> Floats:
    """Each field's mean weight of each row, of the pixels that vary: (n_rows, n_features)."""
    seen = (variances > 0).reshape(*shape, 1)
    sums = (fields.reshape(*shape, -1) * seen).sum(axis=1)
    return np.asarray(sums / np.maximum(seen.sum(axis=1), 1))


def alike(means: Floats) -> list[float]:
    """The cosine between all rows and those 1, 2, ... below them, of all fields together."""
    found = []
    for apart in range(1, len(means)):
        upper, lower = means[:-apart], means[apart:]
        length = np.sqrt((upper**2).sum() * (lower**2).sum())
        found.append(float((upper * lower).sum() / length) if length else 0.0)
    return found


def turned(fields: Floats, shape: Shape) -> Floats:
    """Fields with rows as columns."""
    return fields.reshape(*shape, -1).swapaxes(0, 1).reshape(len(fields), -1)


# -- the record ----------------------------------------------------------------------------------


def summary(spreads: Floats, shares: Floats, frequencies: Floats) -> dict[str, float]:
    """Of a group of features, how many they are and their medians; no numbers of none."""
    names = "extent", "share", "frequency"
    medians = (float(np.median(each)) for each in (spreads, shares, frequencies) if len(each))
    return {"features": len(spreads)} | dict(zip(names, medians, strict=False))


def opposite(rows: Floats, fields: Floats, apart: int) -> NDArray[np.int64]:
    """The features whose rows so far apart are most opposite first, as a share of their power."""
    products = (rows[: len(rows) - apart] * rows[apart:]).sum(axis=0)
    power = (fields**2).sum(axis=0)
    return np.argsort(products / np.where(power > 0, power, 1))


def measured(
    fields: Floats, variances: Floats, shape: Shape, printed: NDArray[np.bool_], tallest: int
) -> dict[str, Any]:
    """Everything of a layer's fields, of which those `printed` are fingerprints."""
    spreads = fingerprints.spread(np.asarray(fields), variances)
    shares, frequencies = components(fields, variances, shape)
    positive, means = around(fields, variances, shape)
    rows = row_means(fields, variances, shape)
    columns = row_means(turned(fields, shape), turned(variances, shape).ravel(), shape[::-1])
    return {
        "localised": int((spreads < fingerprints.SPREAD).sum()),
        FINGERPRINTS: summary(spreads[printed], shares[printed], frequencies[printed]),
        OTHERS: summary(spreads[~printed], shares[~printed], frequencies[~printed]),
        "around": {
            name: {"features": int(which.sum())} | _by_distance(means[which])
            for name, which in (("on", positive), ("off", ~positive))
        },
        "rows_apart": alike(rows),
        "columns_apart": alike(columns),
        "lines": [int(feature) + 1 for feature in opposite(rows, fields, tallest)[:SHOWN]],
    }


def _by_distance(means: Floats) -> dict[str, list[float]]:
    """Mean and standard error over features at each distance at which all have a weight."""
    whole = np.isfinite(means).all(axis=0) & bool(len(means))
    known = means[:, whole]
    errors = known.std(axis=0) / np.sqrt(max(len(known), 1))
    return {"mean": [float(x) for x in known.mean(axis=0)], "error": [float(x) for x in errors]}


def of_stack(context: Context, file: RunFile, tallest: int) -> dict[str, Any]:
    """A stack's first layer, on its training cases, and fields of no learning on the same."""
    (found,) = fingerprints.measure(context, [file.path])
    cases = parts_of(file, context.digits, EVERY_CASE)[found.part]
    variances = np.var(cases.images / np.float32(255), axis=0, dtype=np.float64)
    shape, fields = context.digits.shape, np.asarray(file.learned[0].weights, np.float64)
    none = np.zeros(fields.shape[1], bool)
    sd = RECIPES["tr2006"].settings("pretrain").initial_sd
    start = Rbm.random(*fields.shape, sd, np.random.default_rng(SEED)).weights.astype(np.float64)
    before = measured(start, variances, shape, none, tallest)[OTHERS]
    return {"net": file.path.stem, BEFORE: before} | measured(
        fields, variances, shape, found.fingerprints, tallest
    )


def tabulated(found: dict[str, Any]) -> Table:
    """Extent and components of each stack's groups."""
    columns = [
        Column("net", "{net}", left=True),
        Column("fields", "{group}", left=True),
        Column("features", "{features:,}"),
        Column("extent", "{extent:.2f}"),
        Column("component's share", "{share:.3f}"),
        Column("its frequency", "{frequency:.1f}"),
    ]
    rows = [
        {"net": of_net["net"], "group": group} | of_net[group]
        for of_net in found["nets"]
        for group in (BEFORE, OTHERS, FINGERPRINTS)
        if of_net[group]["features"]
    ]
    legend = [
        "Medians. Extent: the share of the image over which a field is spread. Component: the "
        "Fourier component nearest to a field, its share of the power and its frequency in "
        f"cycles an image; half of the variance of images is below {found['middle']:.1f}."
    ]
    return Table(columns, rows, name="fields", legend=legend)


@curves.own_style()
def draw(found: dict[str, Any], fields: Floats, shape: Shape) -> bytes:
    """By distance from the strongest pixel, by rows and columns apart, and fields with lines."""
    first = found["nets"][0]
    figure = curves.blank(13, 4)
    figure.set_layout_engine("constrained")
    left, middle, right = figure.subplots(1, 3)
    for name, of_sign in first["around"].items():
        at = range(len(of_sign["mean"]))
        mean, error = np.array(of_sign["mean"]), np.array(of_sign["error"])
        left.plot(at, mean, marker=".", label=f"{name}-centre, {of_sign['features']} features")
        left.fill_between(at, mean - error, mean + error, alpha=0.3, linewidth=0)
    left.set(xlabel="pixels from the strongest", ylabel="mean weight (off-centre: times -1)")
    left.set_yscale("symlog", linthresh=0.05, linscale=2)
    left.set_title("Weights around a field's strongest pixel")
    for name in ("rows", "columns"):
        cosines = first[f"{name}_apart"]
        middle.plot(range(1, len(cosines) + 1), cosines, marker=".", label=name)
    middle.set(xlabel="apart", ylabel="cosine of mean weights")
    middle.set_title("Rows and columns of the same field")
    for axes in (left, middle):
        axes.axhline(0, color="grey", linewidth=0.8)
        axes.legend()
    chosen = fields[:, [feature - 1 for feature in first["lines"]]].T.reshape(-1, *shape)
    picture = grids.tile(grids.receptive_fields(chosen), 3, 255)
    right.imshow(picture, cmap="gray", vmin=0, vmax=255)
    right.set_axis_off()
    right.set_title("Lines that exclude each other")
    return curves.saved(figure, "png")


def checked(paths: Sequence[Path]) -> list[RunFile]:
    """Finished stacks of the same images; SystemExit, of one line, for another."""
    found = [load(path).finished().of_kind("stack") for path in paths]
    for file in found:
        if file.lineage.labels or file.lineage.data != found[0].lineage.data:
            raise SystemExit(f"{file.path}: with labels, or not of the data of {found[0].path}")
    return found


def main() -> None:
    """Parse, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stacks", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    try:
        stacks = checked(given.stacks)
        digits = digits_of(stacks, None)
        context = Context(digits, Silent())
        with threadpool_limits(1), native.threads(1), np.errstate(all="ignore"):
            tall = heights(digits.train_images, digits.shape)
            tallest = max(height for height, count in enumerate(tall) if count)
            nets = [of_stack(context, file, tallest) for file in stacks]
            middle = middle_frequency(digits.train_images, digits.shape)
    except (RunError, CheckpointError, DataError) as error:
        raise SystemExit(str(error)) from None
    found: dict[str, Any] = {
        "tall": tall, "middle": middle, "nets": nets,
        "files": [files.file_values(file) for file in stacks],
    }  # fmt: skip
    files.save(given.out / "fields.json", json.dumps(found, indent=2) + "\n")
    files.save(given.out / "fields.md", tabulated(found).markdown() + "\n")
    shown = np.asarray(stacks[0].learned[0].weights, np.float64)
    files.save(given.out / "fields.png", draw(found, shown, digits.shape))


if __name__ == "__main__":
    with stopped_in_a_line():
        main()
