"""Every table of the files in folders of runs: what makes it, and where the chapter tells of it.

The registry that the commands and the page take them from: a new table is one entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from hinton06.report import (
    baselines,
    directed,
    error_rates,
    likelihoods,
    replicas,
    strategies,
    table1,
)
from hinton06.report.table import Table


@dataclass(frozen=True)
class Report:
    """A table: the command that prints it, its help text, and its heading on a page.

    Without a `command` it is of what another one has saved.

    `make` takes a folder or, if `several`, a sequence of them, and raises `NoRunsError` where
    there is nothing for it. `section` is the chapter's that tells of its numbers, none if it is of
    something beyond the chapter; `target` what Make makes its files by. `every` makes,
    for the command, what there is of it, or of those that are named. Unless a file of it has one
    of the conditions that it is `of`, if any, it has nothing to say on a page.
    """

    command: str
    make: Callable[[Any], Table]
    title: str
    about: str
    section: str = ""
    target: str = ""
    several: bool = False
    of: frozenset[str] = frozenset()
    every: Callable[..., list[Table]] | None = None


TABLES = (
    Report(
        "table1",
        table1.table,
        "Table 1",
        """Table 1 of the chapter beside what the files in the folder RUNS hold.

        Says what is missing where some are not finished; saves the learning curves too.
        """,
        "Details of the discriminative fine-tuning procedure",
        "table1",
    ),
    Report(
        "replicas",
        replicas.table,
        "Table 1 over several seeds",
        """Tables over several replicas, one folder RUNS for each seed: means and spread.

        `make table1 SEED=1` makes the folder runs/table1-seed1, and so on. In place of folders
        there may be JSON files that --save wrote of other seeds, elsewhere. Says where the printed
        numbers lie among the replicas, what is missing, and what the replicas do not have in
        common.
        """,
        "Details of the discriminative fine-tuning procedure",
        "replicas",
        several=True,
        every=replicas.tables,
    ),
    Report(
        "baselines",
        baselines.table,
        "What the chapter compares with",
        """What the chapter compares with, printed beside what the folder RUNS holds.

        Classifiers with and without pretraining, of distorted and of translated images, that
        `finetune-bp` made, and what `svm --save` wrote there or into a folder within it.
        """,
        "Using backpropagation for discriminative fine-tuning",
        "compare",
    ),
    Report(
        "generative",
        partial(error_rates.table, study=error_rates.GENERATIVE),
        "Error rates of the generative half",
        """The generative half's error rates beside what the files in the folder RUNS hold.

        Greedy pretraining with labels, contrastive wake-sleep, and the mixed gradient.
        """,
        "Using contrastive wake-sleep for generative fine-tuning",
        "hybrid",
    ),
    Report(
        "wake-sleep",
        directed.table,
        "Plain wake-sleep",
        """Plain wake-sleep after so many epochs, from a stack and from small random weights.

        Bounds on log p and errors of the nets in the folder RUNS that `finetune-ws` made, beside
        those of contrastive wake-sleep; saves the learning curves too.
        """,
        "Five strategies for learning multilayer networks",
        "wake-sleep",
    ),
    Report(
        "translated",
        partial(error_rates.table, study=error_rates.TRANSLATED),
        "Error rates with translated images",
        """Error rates with translated images beside what the files in the folder RUNS hold.

        Of nets that `finetune-bp` made from what `pretrain --translations 2` had learned.
        """,
        "Using geometric prior knowledge",
        "translated",
    ),
    Report(
        "dropout",
        partial(error_rates.table, study=error_rates.DROPOUT),
        "Error rates with dropout",
        """Error rates of the nets in the folder RUNS that were fine-tuned with dropout.

        In adversarial and virtual adversarial training too, if they were. A recipe of its own, and
        not the chapter's: no other table has these nets.
        """,
        "",
        "beyond",
        of=frozenset({"dropout"}),
    ),
    Report(
        "unlabelled",
        error_rates.few_labels,
        "Error rates with few labels",
        """Error rates with few labels, with and without pretraining on images that have none.

        Of the nets in the folder RUNS that `finetune-bp`, with or without --labelled, stopped by
        validation. Of several layers and rates those that validation chose are shown; CSV and JSON
        hold all.
        """,
        "Using extra unlabeled data",
        "unlabelled",
        of=frozenset({"labelled", "images"}),
    ),
    Report(
        "",
        likelihoods.saved,
        "Log-likelihoods and the bound",
        "",
        "A greedy learning algorithm for multiple hidden layers",
        "likelihood",
    ),
    Report(
        "",
        strategies.saved,
        "Errors by the cost of learning",
        "",
        "Five strategies for learning multilayer networks",
        "strategies",
    ),
)
