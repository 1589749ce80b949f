"""Files of earlier versions as trees of the present one: a step for each version.

Not in the chapter. A version number changes when the meaning of a name does; what is only added
has a default instead (`hinton06.records`).
"""

from __future__ import annotations

import re

from hinton06.records import Tree

_LINEAGE = (
    "data", "seed", "threads", "split", "split_sha256", "layers", "target_cost",
    "target_error_rate", "schedule_done", "labels", "translations", "random_start",
)  # fmt: skip


def _from_version_1(head: Tree, parts: dict[str, Tree]) -> tuple[Tree, dict[str, Tree]]:
    """One dictionary of arguments held recipe, settings and lineage; absent names were defaults."""
    arguments, kind = head.get("arguments"), head.get("stage")
    if not isinstance(arguments, dict) or not isinstance(arguments.get("settings"), dict):
        raise ValueError("does not say how it was made")
    settings, is_stack = arguments["settings"], kind == "stack"
    lineage = {name: arguments[name] for name in _LINEAGE if name in arguments}
    lineage["role"] = arguments.get("role", "pretrained")
    parents = [arguments[name] for name in ("lower", "start") if name in arguments]
    # Which nets' costs a net that is not pretrained stops at was not recorded.
    lineage["parents"] = None if lineage["role"] == "not pretrained" else parents
    lineage["cases"] = arguments.get("cases", settings.get("cases", 0) if is_stack else 0)
    # Of a stack the number of labelled cases was that of the images that it learned.
    labelled = arguments.get("labelled", 0)
    lineage["images"] = labelled if is_stack else arguments.get("images", 0)
    lineage["labelled"] = 0 if is_stack else labelled
    left = ("role", "split", "target_cost", "target_error_rate")
    outcome = {name: value for name, value in parts["outcome"].items() if name not in left}
    if isinstance(outcome.get("reason"), str):
        outcome["reason"] = re.sub(r"\b1 epochs\b", "1 epoch", outcome["reason"])
    state = dict(parts["state"])
    if kind == "generative" and state:
        state["valid_costs"] = parts["history"].get("valid_cost", [])
    same = {name: head.get(name) for name in ("complete", "provenance")}
    named = {"kind": kind, "recipe": arguments.get("recipe"), "settings": settings}
    return same | named | {"lineage": lineage}, parts | {"outcome": outcome, "state": state}


_STEPS = {1: _from_version_1}


def migrated(version: int, head: Tree, parts: dict[str, Tree]) -> tuple[Tree, dict[str, Tree]]:
    """Head and parts of a file of some version, as the present version has them.

    Raises ValueError if they do not have what every file of that version has.
    """
    while version in _STEPS:
        head, parts = _STEPS[version](head, parts)
        version += 1
    return head, parts
