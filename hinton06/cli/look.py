"""The commands that look at finished files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from hinton06 import estimation, evaluation, loading, sampling
from hinton06 import fingerprints as measured
from hinton06.cli import options as shared
from hinton06.cli.options import EXISTING_FILE, Command, measuring_context, print_json
from hinton06.console import tell
from hinton06.evaluation import EVERY_METHOD, METHODS, PARTS, CaseSelection, Method
from hinton06.report import comparison, contents, likelihoods, scores
from hinton06.report import fingerprints as fingerprints_report
from hinton06.report import samples as samples_report
from hinton06.report.files import check_folder
from hinton06.sampling import SamplingOptions

_ALL = "all"
_ROUNDS = 10_000_000  # at most


def _count(
    name: str, most: int, about: str, default: int | None = None, show: bool | str = True
) -> Callable[[Command], Command]:
    """An option that takes a number from 1, and shows what holds where it is not given."""
    kind = click.IntRange(1, most)
    return click.option(name, type=kind, default=default, show_default=show, help=about)


_part_option = click.option(
    "--part", "parts", multiple=True, type=click.Choice(PARTS),
    help="Measure only these cases. May be given again.",
)  # fmt: skip
_cases_option = click.option(
    "--cases", type=click.IntRange(min=1), metavar="N",
    help="Measure only N cases of each part, drawn with --seed.",
)  # fmt: skip


@click.command()
@click.option(
    "--method", "names", multiple=True, type=click.Choice([*EVERY_METHOD, _ALL]),
    metavar="METHOD",
    help="How a generative net is asked for the label: free-energy, exact after a deterministic "
    "up-pass, stochastic, after one stochastic up-pass, stochastic-mean, averaged over --passes of "
    "them; label-gibbs, Gibbs sampling of the label units; or sampling, annealed importance "
    "sampling of the probabilities of generating the image with each label. A directed net has "
    "up-pass, after which the top generates the label, and sampling, which weighs up-passes. "
    "Several times for several, all for all. A classifier has its softmax alone.  "
    "[default: free-energy, or up-pass]",
)  # fmt: skip
@_count("--passes", 10_000, "Up-passes an image of stochastic-mean and of sampling.", show="20")
@_count("--rounds", 100_000, "Gibbs rounds of label-gibbs, the first half not counted.", show="200")
@click.option(
    "--temperatures", type=click.IntRange(0, 100_000), show_default="10, or 0",
    help="Distributions of sampling between those of the up-pass and of the generative model; "
    "0, and of a directed net, only weighs the up-passes.",
)  # fmt: skip
@_part_option
@_cases_option
@click.option("--seed", type=shared.SEED, show_default="0",
              help="Seed of the methods that sample and of --cases.")  # fmt: skip
@shared.saving_option(", and each case's probabilities (cases.csv, cases.npz)")
@shared.measuring_options
def evaluate(checkpoints: tuple[Path, ...], save: Path | None, **options: Any) -> None:
    """Cost and errors of nets on their training, validation and test cases.

    Takes fine-tuned classifiers and generative nets, and stacks that learned labels.
    """
    values = {key: options[key] for key in ("passes", "rounds", "temperatures", "seed")}
    every = _ALL in options["names"]
    names = _every_method(checkpoints) if every else options["names"]
    methods = _methods(names, values, options["cases"] is not None)
    selection = CaseSelection(options["parts"], options["cases"], values["seed"] or 0)
    if save is not None:
        check_folder(save)
    count = len(checkpoints) * max(1, len(methods))
    context = measuring_context(options, checkpoints, count)
    results = evaluation.evaluate(context, checkpoints, methods, selection, as_they_can=every)
    confusions = results if options["confusion"] else []
    scores.show(results, options["as_json"], confusions, selection)
    if save is not None:
        scores.methods_table(results, selection, context.threads, confusions).save(save)


def _every_method(paths: tuple[Path, ...]) -> tuple[str, ...]:
    """All that some of the nets can be asked by."""
    known = {name for path in paths for name in loading.load(path).recogniser().methods}
    return tuple(name for name in EVERY_METHOD if name in known)


def _methods(names: tuple[str, ...], values: dict[str, int | None], drawn: bool) -> list[Method]:
    """The methods that were asked for; refuses a value that none of them makes use of."""
    wanted = list(dict.fromkeys(names))
    given = {key: value for key, value in values.items() if value is not None}
    for key in given:
        users = [name for name, uses in METHODS.items() if key in uses]
        also = ", or --cases" if key == "seed" else ""
        if not set(wanted).intersection(users) and not (also and drawn):
            raise click.UsageError(f"--{key} goes with --method {' or '.join(users)}{also}")
    return [Method(name, **given) for name in wanted]


@click.command()
@shared.measuring_options
def combine(checkpoints: tuple[Path, ...], confusion: bool, as_json: bool, **options: Any) -> None:
    """Multiply the class probabilities of several nets, on the test cases.

    "product" is the geometric mean of the nets' probabilities, renormalised, whose cost is
    what the chapter's Table 1 prints; "product, no root" is renormalised without taking the
    root. The classes they choose are the same.
    """
    if len(checkpoints) < 2:
        raise click.UsageError("a product takes two CHECKPOINTS or more")
    context = measuring_context(options, checkpoints)
    results = evaluation.combine(context, checkpoints)
    product = [result for result in results if result.name == "product"]
    scores.show(results, as_json, product if confusion else [])


@click.command()
@click.argument("one", metavar="A", type=EXISTING_FILE)
@click.argument("other", metavar="B", type=EXISTING_FILE)
@_count("--cases", 10_000, "Cases to show, of those in which the guesses differ.", 20)
@shared.saving_option(", and a picture of the cases shown")
@shared.looking_options
def compare(one: Path, other: Path, cases: int, save: Path | None, **options: Any) -> None:
    """Two nets case by case, on the test cases: McNemar's test, and where they differ.

    \b
    hinton06 compare digits table1-a
    hinton06 compare runs/bp-a.h5 runs/bp-not-pretrained.h5 --save compared

    Takes fine-tuned classifiers and generative nets, and stacks that learned labels. The test asks
    of the cases that one net alone gets right whether they part between the two as chance would
    part them: whether one of the nets is better than the other on such images.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    if save is not None:
        check_folder(save)
    context = measuring_context(options, [one, other])
    table = comparison.table(evaluation.compare(context, one, other), context.digits, cases)
    table.show("json" if options["as_json"] else "terminal")
    if save is not None:
        table.save(save)


@click.command()
@click.argument("path", metavar="CHECKPOINT", type=EXISTING_FILE)
@click.option(
    "--labels", metavar="N,N-N|free", type=shared.NUMBERS_OR_FREE,
    help="Labels to clamp, a row of samples for each; free: the label units are sampled too. "
    "Default: every label of a net that learned labels.",
)  # fmt: skip
@_count("--chains", 1000, "Chains for each clamped label, or in all. Default: 1 for each label, "
        "else 10.")  # fmt: skip
@_count("--samples", 1000, "Samples from each chain.", 10)
@_count("--gibbs", _ROUNDS, "Rounds of alternating Gibbs sampling before each sample.", 1000)
@click.option("--layer", type=click.IntRange(1),
              help="The RBM of a stack to sample, 1 on the pixels. Default: the top "
              "one.")  # fmt: skip
@click.option(
    "--out", metavar="FILE", type=shared.FILE,
    help="The picture to make, its ending .png, .svg or .gif; without an ending, in each "
    "--format. Default: samples-NAME, or samples-NAME-layerN, beside CHECKPOINT NAME.h5.",
)  # fmt: skip
@click.option(
    "--format", "forms", type=click.Choice(samples_report.FORMATS), multiple=True,
    help="png: the grid of all samples (default); svg: the same as SVG; gif: the chains as an "
    "animation, a frame for each sample. Can be given several times.",
)  # fmt: skip
@shared.drawing_options
def sample(path: Path, out: Path | None, forms: tuple[str, ...], **options: Any) -> None:
    """Let a net generate images.

    \b
    hinton06 sample runs/cws-a.h5                 Figure 5: each row one label
    hinton06 sample runs/cws-a.h5 --labels 4,9 --chains 5 --out pairs.svg
    hinton06 sample runs/cws-a.h5 --labels free --gibbs 5 --out wander.gif
    hinton06 sample runs/pretrain-a.h5 --layer 1  a single RBM

    Chains of alternating Gibbs sampling start from random images and run side by side; what
    they have in mind is sent down to the pixels by the generative connections. A row of the
    grid is one chain. The last sample of each chain is also shown on the terminal. A directed net
    has no chains: each sample is a dream from the top, and those of a label what is left when the
    others are thrown away.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    files = _pictures(path, out, forms, options["layer"])
    for file in files:
        check_folder(file.parent, file)
    wanted = shared.values_for(SamplingOptions, options)
    given = click.get_current_context().get_parameter_source("gibbs")
    if given is ParameterSource.COMMANDLINE and loading.load(path).kind.name == "directed":
        raise click.UsageError("--gibbs: a directed net dreams each sample anew, from the top")
    context = measuring_context(options, [path])
    samples = sampling.sample(context, path, wanted)
    about = samples_report.describe(samples, wanted)
    if not options["as_json"]:
        samples_report.preview(samples)
    for file, form in files.items():
        samples_report.save(samples, file, form, f"{path.name}: {about}", wanted.gibbs)
    if options["as_json"]:
        print_json(samples_report.values(samples, wanted, path, list(files)))
        return
    for file in files:
        tell(f"{file}: {about}")


def _pictures(
    path: Path, out: Path | None, forms: tuple[str, ...], layer: int | None
) -> dict[Path, str]:
    """The files to make, and the format of each."""
    if out is None or not out.suffix:
        name = f"samples-{path.stem}" + (f"-layer{layer}" if layer else "")
        base = path.with_name(name) if out is None else out
        return {base.with_name(f"{base.name}.{form}"): form for form in forms or ("png",)}
    form = out.suffix.removeprefix(".").lower()
    if form not in samples_report.FORMATS:
        raise click.UsageError(f"--out {out}: a picture ends in .png, .svg or .gif")
    if forms and forms != (form,):
        raise click.UsageError("--out with an ending names one file; leave the ending, or --format")
    return {out: form}


@click.command()
@click.argument("checkpoints", nargs=-1, required=True, type=EXISTING_FILE)
@click.option(
    "--out", metavar="DIR", type=shared.FOLDER, default="figures",
    show_default=True, help="Folder for the pictures and their numbers.",
)  # fmt: skip
@click.option(
    "--only", type=click.Choice(["2", "errors", "3", "5", "dreams", "curves"]), multiple=True,
    help="Draw this figure only. Can be given several times. Default: all that the files can "
    "give.",
)  # fmt: skip
@_count("--cases", 1000, "Digits in Figure 2 (49), and among the errors (at most 200).", show=False)
@click.option("--features", metavar="N,N-N", type=shared.NUMBERS,
              help="Feature detectors in Figure 3, from 1. Default: random ones.")  # fmt: skip
@_count("--random-features", 10_000, "How many random ones.", 100)
@_count("--layer", 100, "The layer of the features of Figure 3; higher ones are seen through the "
        "layers below.", 1)  # fmt: skip
@_count("--gibbs", _ROUNDS, "Rounds of Gibbs sampling between the samples of Figure 5.", 1000)
@shared.drawing_options
def figures(checkpoints: tuple[Path, ...], out: Path, as_json: bool, **options: Any) -> None:
    """Draw the chapter's Figures 2, 3 and 5, errors and learning curves from files.

    \b
    Figure 2  test cases that a net gets right but is least sure of, in the order
              of their classes, with its guess and second guess: from nets that
              recognise
    errors    test cases that a net gets wrong, the surest first, with its guess
              and what it is: from nets that recognise
    Figure 3  incoming weights of features, those of the first layer white at +3,
              black at -3: from every file, also while it is learned (.h5.part)
    Figure 5  samples with one label clamped in each row, 1000 Gibbs rounds apart:
              from nets that learned labels
    dreams    of a directed net, from the top, beside those of other nets:
              from several, one of which finetune-ws made
    curves    learning curves, with the weights that were kept and the criteria

    Each is a PNG and an SVG file in DIR, with its numbers beside it as JSON (curves: CSV).
    Nothing is trained.
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    from hinton06.report import figures as figures_report  # noqa: PLC0415  # Matplotlib is slow to import

    source = click.get_current_context().get_parameter_source("random_features")
    if options["features"] is not None and source is ParameterSource.COMMANDLINE:
        raise click.UsageError("--features names them, --random-features draws them: give one")
    wanted = shared.values_for(figures_report.FigureOptions, options)
    check_folder(out)
    if set(wanted.only) == {"curves"}:
        saved = figures_report.draw_curves(checkpoints, out)
    else:
        context = measuring_context(options, checkpoints, runs=None)
        saved = figures_report.draw(context, checkpoints, out, wanted)
    drawn = {figure.figure for figure in saved}
    used = figures_report.USED_IN.items()
    _say_idle([name for name, users in used if not drawn.intersection(users)], options["quiet"])
    if as_json:
        print_json([figure._asdict() for figure in saved])
        return
    for figure in saved:
        tell(f"{figure.files[0]}: {figure.about}")


def _say_idle(names: Sequence[str], quiet: bool) -> None:
    """Of options that made no difference those that were given.

    It is no mistake: scripts have one list of options for all files.
    """
    for name in () if quiet else names:
        source = click.get_current_context().get_parameter_source(name)
        if source is ParameterSource.COMMANDLINE:
            tell(f"hinton06: --{name.replace('_', '-')} changes nothing here", err=True)


@click.command()
@click.argument("checkpoints", nargs=-1, required=True, type=EXISTING_FILE)
@click.option("--layer", "layers", multiple=True, type=click.IntRange(1),
              help="Of stacks, only so many layers from the bottom. May be given again. Default: "
              "one, two, and so on to all.")  # fmt: skip
@_part_option
@_cases_option
@click.option("--seed", type=shared.SEED, default=0, show_default=True,
              help="Seed of the chains, of binary pixels and of --cases.")  # fmt: skip
@shared.save_option
@shared.looking_options
@shared.recipe_options("likelihood")
def likelihood(
    checkpoints: tuple[Path, ...], layers: tuple[int, ...], save: Path | None, **options: Any
) -> None:
    """Log Z and the log probability of images, from stacks and generative nets.

    \b
    hinton06 likelihood runs/pretrain-a.h5            layer by layer
    hinton06 likelihood runs/pretrain-a.h5 --layer 1  of its first RBM
    hinton06 likelihood digits --part test

    Log Z of the top RBM is exact where one side has at most 20 units; else it is estimated by
    annealed importance sampling, from below, and by the way back, from above. Above one layer,
    log p is the variational bound that "adding an extra layer is guaranteed to raise".
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    if save is not None:
        check_folder(save)
    settings = shared.settings_for("likelihood", options, checkpoints)
    selection = CaseSelection(options["parts"], options["cases"], options["seed"])
    context = measuring_context(options, checkpoints, None)
    found = estimation.estimate(
        context, checkpoints, settings, layers, selection, options["seed"]
    )  # fmt: skip
    if all(item.log_z.exact is not None for item in found):
        _say_idle(("chains", "temperatures", "rounds"), options["quiet"])
    table = likelihoods.table(found, settings, selection, options["seed"], context.threads)
    table.show("json" if options["as_json"] else "terminal")
    if save is not None:
        table.save(save)


@click.command()
@click.argument("checkpoints", nargs=-1, required=True, type=EXISTING_FILE)
@click.option("--layer", "layers", multiple=True, type=click.IntRange(1), default=(1,),
              show_default=True, help="Features of this layer, those of higher ones seen through "
              "the layers below. May be given again.")  # fmt: skip
@shared.saving_option(", and each feature's numbers (features.csv)")
@shared.looking_options
def fingerprints(
    checkpoints: tuple[Path, ...], layers: tuple[int, ...], save: Path | None, **options: Any
) -> None:
    """Count the features that look like fingerprints.

    \b
    hinton06 fingerprints runs/pretrain-a.h5
    hinton06 fingerprints runs/pretrain-a.h5 runs/sparse-a.h5 --save counted

    Those that turn on about half the time, and have a receptive field spread over the image. They
    "can be eliminated by forcing features to only turn on rarely": pretrain --sparsity-cost.
    With --json also says which they are; `hinton06 figures --only 3 --features` draws them. Takes
    every file, also while it is learned (.h5.part).
    """  # noqa: D301  # \b is Click's mark for lines to leave as they are
    if save is not None:
        check_folder(save)
    context = measuring_context(options, checkpoints, len(checkpoints))
    found = measured.measure(context, checkpoints, layers)
    table = fingerprints_report.table(found, context.threads)
    table.show("json" if options["as_json"] else "terminal")
    if save is not None:
        table.save(save)


@click.command()
@click.argument("path", metavar="CHECKPOINT", type=EXISTING_FILE)
@shared.json_option
def show(path: Path, as_json: bool) -> None:
    """What a file holds: kind, recipe with sources, lineage, shapes, history, versions.

    Also reads the unfinished files that end in .part.
    """
    file = loading.load(path)
    if as_json:
        print_json(contents.values(file))
    else:
        contents.show(file)


COMMANDS = (evaluate, combine, compare, likelihood, fingerprints, sample, figures, show)
