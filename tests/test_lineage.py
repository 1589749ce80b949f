"""Typed values to and from the trees that files hold."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import TypeAliasType

from hinton06.lineage import EXTENDED, NOT_PRETRAINED, PRETRAINED, VALIDATED, Lineage
from hinton06.records import difference, from_tree, to_tree


@dataclass(frozen=True)
class Inner:
    cases: int
    cost: float


@dataclass(frozen=True, eq=False)
class Value:
    name: str
    count: int
    share: float
    on: bool
    sizes: tuple[int, ...]
    shares: tuple[float, ...] = (0.5,)
    inner: Inner | None = None
    array: NDArray[Any] | None = None


TREE = {"name": "x", "count": 3, "share": 0.1, "on": True, "sizes": [2, 3]}


def test_a_value_comes_back_from_its_tree() -> None:
    value = Value("x", 3, 1e-300, False, (), (1 / 3, 2.0), Inner(7, 0.0), np.arange(3))
    tree = to_tree(value)
    assert tree["shares"] == [1 / 3, 2.0]
    assert tree["inner"] == {"cases": 7, "cost": 0.0}
    again = from_tree(Value, tree, "value")
    for item in dataclasses.fields(Value):
        mine, theirs = getattr(value, item.name), getattr(again, item.name)
        assert theirs is mine if item.name == "array" else theirs == mine


def test_what_a_tree_lacks_has_its_default_or_is_named() -> None:
    value = from_tree(Value, TREE, "value")
    assert (value.shares, value.inner, value.array) == ((0.5,), None, None)
    with pytest.raises(ValueError, match="does not record its setting count"):
        from_tree(Value, {k: v for k, v in TREE.items() if k != "count"}, "setting")


def test_arrays_are_known_behind_an_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy's NDArray is a named alias from 2.5 on, whose origin is the alias itself."""
    scalar = TypeVar("scalar", bound=np.generic)
    array = np.ndarray[Any, np.dtype[scalar]]
    alias = TypeAliasType("alias", array, type_params=(scalar,))
    monkeypatch.setitem(globals(), "NDArray", alias)
    made = from_tree(Value, {**TREE, "array": np.arange(3)}, "setting")
    np.testing.assert_array_equal(made.array, np.arange(3))
    with pytest.raises(ValueError, match="its setting array is not what this package writes"):
        from_tree(Value, {**TREE, "array": [1, 2]}, "setting")


def test_what_only_a_newer_version_knows_is_refused_unless_it_does_no_harm() -> None:
    with pytest.raises(ValueError, match="the setting later, which only a newer version knows"):
        from_tree(Value, {**TREE, "later": 1}, "setting")
    assert from_tree(Value, {**TREE, "later": 1}, "setting", strict=False).count == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 3), ("name", None), ("count", -1), ("count", 1.5), ("count", True),
        ("count", "3"), ("count", 1 << 63), ("share", "x"), ("share", float("nan")),
        ("share", float("inf")), ("share", True), ("on", 1), ("on", None), ("sizes", 3),
        ("sizes", "23"), ("sizes", [1.5]), ("sizes", [[1]]), ("shares", [None]), ("inner", 3),
        ("inner", {"cases": 1}), ("inner", {"cases": -1, "cost": 0.1}), ("array", [1, 2]),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"its setting {name} is not what this package writes"):
        from_tree(Value, {**TREE, name: value}, "setting")


# -- lineage -------------------------------------------------------------------------------------

STACK = Lineage("0" * 64, 1, 2, PRETRAINED, "a", "f" * 64, cases=40, translations=1, images=20)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"seed": 2}, "seed was 1, now 2"),
        ({"split": None, "seed": 2}, "seed was 1, now 2"),
        ({"split": None}, "split was a, now nothing"),
        ({"data": "1" * 64}, f"data was {'0' * 12}..., now {'1' * 12}..."),
        ({"parents": ("x" * 64,)}, f"parents was nothing, now {'x' * 12}"),
        ({"target_cost": 0.1 + 0.2}, "target cost was nothing, now 0.30000000000000004"),
        ({"data_folder": "elsewhere"}, ""),
    ],
)
def test_the_first_difference_is_put_into_words(change: dict[str, Any], words: str) -> None:
    assert difference(STACK, dataclasses.replace(STACK, **change)) == words


def test_what_an_older_file_did_not_record_is_no_difference() -> None:
    older = dataclasses.replace(STACK, parents=None, split_sha256=None)
    now = dataclasses.replace(STACK, parents=("x" * 64,))
    assert difference(older, now) == ""
    assert difference(now, dataclasses.replace(now, parents=())) != ""


def test_a_value_of_a_lineage_is_equal_to_itself_after_a_tree() -> None:
    lineage = dataclasses.replace(STACK, target_cost=1 / 3, layers=(3, 4), parents=None)
    assert from_tree(Lineage, to_tree(lineage), "lineage") == lineage


def test_what_a_child_inherits() -> None:
    own = {"seed": 3, "split_sha256": "e" * 64, "labelled": 10}
    net = STACK.child(["p"], VALIDATED, **own)
    assert net == Lineage(
        "0" * 64, 3, 2, VALIDATED, "a", "e" * 64, ("p",), cases=40, translations=1, images=20,
        labelled=10,
    )  # fmt: skip
    # All cases are learned by an extension, and which split held some out is but a name.
    assert net.child(["q"], EXTENDED, target_cost=0.5) == Lineage(
        "0" * 64, 3, 2, EXTENDED, "a", None, ("q",), target_cost=0.5, translations=1
    )
    assert net.child(["q"], NOT_PRETRAINED).split is None
    random = dataclasses.replace(net, random_start=True).child([], EXTENDED)
    assert random.random_start


def test_conditions_are_what_sets_an_experiment_apart() -> None:
    assert Lineage("0", 1, 1, VALIDATED, "a", parents=("p",), target_cost=0.1).conditions() == {}
    assert STACK.conditions() == {"cases": 40, "translations": 1, "images": 20}


def test_a_field_that_is_added_is_a_condition_unless_it_is_said_to_be_none() -> None:
    @dataclass(frozen=True)
    class Later(Lineage):
        speakers: int = field(default=0)

    assert Later("0", 1, 1).conditions() == {}
    assert Later("0", 1, 1, speakers=6).conditions() == {"speakers": 6}


def test_a_role_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="role"):
        from_tree(Lineage, {**to_tree(STACK), "role": "other"}, "lineage")
