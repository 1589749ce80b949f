"""Learning curves of the nets of Table 1, with the epochs at which they stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hinton06.checkpoint import Checkpoint

_COLOURS = {"a": "tab:blue", "b": "tab:orange", "c": "tab:green", None: "tab:red"}


def draw(
    pretrained: Mapping[str, Checkpoint],
    nets: Mapping[tuple[str, str | None], Checkpoint],
    path: Path,
) -> None:
    """Draw four panels: reconstruction, validation cost, validation errors, training cost.

    Parameters
    ----------
    pretrained : mapping from split to Checkpoint
    nets : mapping from (role, split) to Checkpoint
    path : Path
        The PNG file to write.

    Source
    ------
    The quantities are those of "Details of the discriminative fine-tuning procedure".
    """
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    axes = figure.subplots(2, 2)
    _draw_pretraining(axes[0, 0], pretrained)
    _draw_validation(axes[0, 1], nets, "valid_cost", "validation cost (nats per 100)")
    _draw_validation(axes[1, 0], nets, "valid_errors", "validation errors")
    _draw_training(axes[1, 1], nets)
    figure.savefig(path, dpi=100)


def _draw_pretraining(axes: Axes, pretrained: Mapping[str, Checkpoint]) -> None:
    axes.set(title="greedy pretraining", xlabel="epochs, layer after layer", yscale="log")
    axes.set_ylabel("reconstruction error (squared, per case)")
    for split, found in sorted(pretrained.items()):
        error = found.history["recon_error"]
        axes.plot(np.arange(1, len(error) + 1), error, color=_COLOURS[split], label=f"Net{split}")
    if pretrained:
        axes.legend()


def _draw_validation(
    axes: Axes, nets: Mapping[tuple[str, str | None], Checkpoint], column: str, label: str
) -> None:
    axes.set(title="fine-tuning; dots: the weights that were kept", ylabel=label)
    axes.set(xlabel="epochs")
    for (role, split), found in sorted(nets.items(), key=str):
        if role == "validated":
            values, kept = found.history[column], found.outcome["epochs"]
            axes.plot(np.arange(1, len(values) + 1), values, color=_COLOURS[split],
                      label=f"Net{split}")  # fmt: skip
            axes.plot(kept, values[kept - 1], "o", color=_COLOURS[split])
    if any(role == "validated" for role, _ in nets):
        axes.legend()


def _draw_training(axes: Axes, nets: Mapping[tuple[str, str | None], Checkpoint]) -> None:
    axes.set(title="all training cases; dotted: the criteria", yscale="log")
    axes.set(xlabel="epochs", ylabel="training cost (nats per 100)")
    drawn = False
    for (role, split), found in sorted(nets.items(), key=str):
        if role == "validated":
            continue
        name = f"Net{split} extended" if split else "not pre-trained"
        cost, colour = found.history["train_cost"], _COLOURS[split]
        axes.plot(np.arange(1, len(cost) + 1), cost, color=colour, label=name)
        axes.axhline(found.outcome["target_cost"], color=colour, linestyle=":", linewidth=1)
        drawn = True
    if drawn:
        axes.legend()
