"""What a result descends from, as one typed value: inherited, compared and shown here alone.

Not in the chapter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hinton06.mnist import MAX_TRANSLATION

PRETRAINED, VALIDATED, EXTENDED, NOT_PRETRAINED = (
    "pretrained", "validated", "extended", "not pretrained",
)  # fmt: skip
ROLES = {
    PRETRAINED: "learned greedily",
    VALIDATED: "stopped by validation",
    EXTENDED: "continued on all training cases",
    NOT_PRETRAINED: "random start, all training cases",
}

_INHERITED = ("split", "split_sha256", "cases", "translations", "images", "random_start", "below")
# What tells one result of an experiment from the next; all other fields tell experiments apart.
_PLACE = (
    "data", "seed", "threads", "role", "split", "split_sha256", "parents", "layers",
    "target_cost", "target_error_rate", "schedule_done", "data_folder", "classes", "threads_before",
    "second_folder",
)  # fmt: skip


@dataclass(frozen=True)
class Lineage:
    """What a result descends from, beside its settings: equal ones give equal bits.

    Of a run that went on with another number of `threads` the earlier ones are `threads_before`, in
    their order; its bits are then its own. `classes` are the labels that the net tells apart, where
    they are not 0, 1, 2 and so on.

    `split` held out the validation cases, now or before an extension, and `split_sha256` is theirs
    (None where they took part). `parents` are the digests of the models that it starts from, is
    learned on, or takes its stopping criterion from (None where an older file does not say),
    `layers` those of a random start. Without validation learning stops at `target_cost` (nats per
    100 training cases) or `target_error_rate` (per cent of them); a schedule goes on after
    `schedule_done` epochs.

    What sets experiments apart: `labels` units of a stack that learns labels; `cases` of a split,
    the first of each class; images in all `translations` by up to so many pixels; `images` that a
    stack, and labels that a net has learned (`labelled`), of so many cases drawn at random; whether
    validation stopped a `random_start`, or what was extended from one; settings `below`, of what
    it descends from, that were added later and are not at what held before. 0: all, or none.
    `rounded_from` is the digest of the model whose numbers were rounded to so many significant
    `bits`; all else is then said of that model. `device` is where PyTorch learned it among other
    nets (`hinton06.many`), ``""`` where this package's own learners did: there equal lineages give
    equal draws, and bits that depend on how many nets learned together. Of a net of pairs `second`
    are the other pathway's data, of the same split, as `data` are those of the images;
    `second_cases`, `second_translations` and `second_images` say which of these it learned.
    """

    data: str
    seed: int
    threads: int = field(compare=False)
    role: str = PRETRAINED
    split: str | None = None
    split_sha256: str | None = field(default=None, metadata={"unrecorded": True})
    parents: tuple[str, ...] | None = field(default=(), metadata={"unrecorded": True})
    layers: tuple[int, ...] = ()
    target_cost: float | None = None
    target_error_rate: float | None = None
    schedule_done: int = 0
    labels: int = 0
    cases: int = 0
    translations: int = 0
    images: int = 0
    labelled: int = 0
    random_start: bool = False
    below: tuple[str, ...] = ()
    rounded_from: str = ""
    bits: int = 0
    device: str = ""
    classes: tuple[int, ...] = ()
    threads_before: tuple[int, ...] = field(default=(), compare=False)
    data_folder: str | None = field(default=None, compare=False)
    second: str = ""
    second_cases: int = 0
    second_translations: int = 0
    second_images: int = 0
    second_folder: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"its lineage role {self.role!r} is none of this package's")
        if max(self.translations, self.second_translations) > MAX_TRANSLATION:
            raise ValueError(f"its lineage translations are more than {MAX_TRANSLATION} pixels")

    def child(self, parents: Sequence[str], role: str, **own: Any) -> Lineage:
        """The lineage of what is learned from this: whatever `own` does not say is inherited."""
        kept = {name: getattr(self, name) for name in ("data", "seed", "threads", "data_folder")}
        if role in (PRETRAINED, VALIDATED):
            kept |= {name: getattr(self, name) for name in _INHERITED}
        else:  # all training cases are learned, and which split held some out is but a name
            kept |= {n: getattr(self, n) for n in ("translations", "random_start", "below")}
            kept["split"] = self.split if role == EXTENDED else None
        return Lineage(**(kept | {"parents": tuple(parents), "role": role} | own))

    @property
    def n_drawn(self) -> int:
        """How many cases were drawn at random and learned alone; 0 where all were learned."""
        return self.labelled or self.images

    def of_second(self) -> Lineage:
        """What holds of the other pathway's cases: its split is that of the same name."""
        return dataclasses.replace(
            self, data=self.second, split_sha256=None, cases=self.second_cases,
            translations=self.second_translations, images=self.second_images,
        )  # fmt: skip

    def conditions(self) -> dict[str, Any]:
        """What sets the experiment apart from the chapter's plain one, by field; mostly nothing."""
        return {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)
            if item.name not in _PLACE and getattr(self, item.name) != item.default
        }

    def rows(self) -> list[tuple[str, Any]]:
        """Name and value of what is worth showing: required fields, and others if set."""
        shown = dict(vars(self))
        for name in ("classes", "threads_before"):
            shown[name] = ", ".join(map(str, shown[name]))
        return [
            (item.name.replace("_", " "), shown[item.name])
            for item in dataclasses.fields(self)
            if item.default is dataclasses.MISSING or getattr(self, item.name) != item.default
        ]
