from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import pytest

from hinton06 import recipes
from hinton06.recipes import (
    ASSUMED,
    CHAPTER,
    HOT06,
    PARTS,
    RECIPES,
    SCIENCE06,
    SHORT,
    SM08,
    Recipe,
    conditions,
    parse_layers,
    parse_shares,
    show_value,
)

FIELDS = [(part, item) for part, kind in PARTS.items() for item in dataclasses.fields(kind)]
# What held in files of before there was a setting, where tr2006 has come to another value.
EARLIER: dict[str, Any] = {}
NAMES = [f"{part}.{item.name}" for part, item in FIELDS]
BOUNDED = [(part, item) for part, item in FIELDS if item.metadata["low"] is not None]


def value_of(recipe: Recipe, name: str) -> Any:
    part, setting = name.split(".")
    return getattr(getattr(recipe, part), setting)


def source_of(recipe: Recipe, name: str) -> str:
    return recipe.values[name][1]


def changed(part: str, **values: Any) -> Any:
    return dataclasses.replace(getattr(RECIPES["tr2006"], part), **values)


# -- the recipes -----------------------------------------------------------------------------


def test_recipes_are_known_by_their_own_names() -> None:
    assert {"tr2006", "hot06", "science06", "quick"} <= set(RECIPES)
    assert all(recipe.name == name for name, recipe in RECIPES.items())


@pytest.mark.parametrize("name", RECIPES)
def test_every_setting_of_a_recipe_has_a_source(name: str) -> None:
    recipe = RECIPES[name]
    known = {text for constant, text in vars(recipes).items() if constant.isupper()
             and isinstance(text, str)}  # fmt: skip
    assert set(recipe.values) == set(NAMES)
    assert {source for _, source in recipe.values.values()} <= known
    for variant in recipe.variants.values():
        assert set(variant) <= set(NAMES)
        assert {source for _, source in variant.values()} <= known


@pytest.mark.parametrize(
    ("name", "source"), [("hot06", HOT06), ("science06", SCIENCE06), ("quick", SHORT)]
)
def test_what_a_recipe_changes_in_its_base_has_its_own_source(name: str, source: str) -> None:
    base, recipe = RECIPES["tr2006"], RECIPES[name]
    # No rates are in the paper.
    rates = {f"wakesleep.{rate}" for rate in ("rate", "recognition_share", "final_share")}
    assumed = rates if name == "hot06" else set()
    for setting in NAMES:
        if value_of(recipe, setting) != value_of(base, setting):
            assert source_of(recipe, setting) == (ASSUMED if setting in assumed else source)


def test_values_of_the_chapter() -> None:
    recipe = RECIPES["tr2006"]
    printed = {
        "pretrain.layers": (500, 500, 2000),
        "pretrain.passes": 100,
        "pretrain.batch": 100,
        "backprop.importance_sampling": True,
        "backprop.easy_probability": 0.1,
        "backprop.patience": 10,
        "pretrain.cases": 0,
        "pairs.features": 2000,
        "svm.deslanted": False,
        "wakesleep.generative": "wake-sleep",
        "wakesleep.bp_weight": 0.0,
        "wakesleep.search_bp_weight": False,
        "directed.recognition_share": 1.0,
        "directed.momentum": 0.0,
        "directed.decay": 0.0,
    }
    # A setting that was added later, and is as it was before, says that the chapter has none of it.
    added = {f"{part}.{item.name}": item.default for part, item in FIELDS}
    stated = {
        name: value_of(recipe, name)
        for name in NAMES
        if source_of(recipe, name) == CHAPTER and added[name] != value_of(recipe, name)
    }
    assert stated == printed, "what the chapter prints is written out in this test"


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_the_pretraining_s_gradient_reconstructs_as_the_recipe_s_pretraining_does(
    recipe: Recipe,
) -> None:
    under = conditions(labels=10, mixed=True, generative="pretraining")
    as_it_is = recipe.settings("pretrain", conditions(labels=10)).recon_states
    assert recipe.settings("wakesleep", under).recon_states == as_it_is


def test_values_of_annealed_importance_sampling_as_published() -> None:
    recipe = RECIPES["tr2006"]
    published = {"likelihood.chains": 100, "likelihood.temperatures": 14_500}
    assert {name for name in NAMES if source_of(recipe, name) == SM08} == set(published)
    assert {name: value_of(recipe, name) for name in published} == published


def test_values_of_the_neural_computation_paper() -> None:
    recipe = RECIPES["hot06"]
    published = {
        "pretrain.passes": 30,
        "pretrain.cases": 44000,
        "pretrain.balanced": True,
        "wakesleep.epochs": 300,
        "wakesleep.averaging": 0.0,
        "wakesleep.batch": 100,
        "wakesleep.gibbs": (3, 6, 10),
        "wakesleep.sampled_labels": False,
        "wakesleep.persistent_share": 0.0,
        "wakesleep.balanced": True,
    }
    assert {name for name in NAMES if source_of(recipe, name) == HOT06} == set(published)
    assert {name: value_of(recipe, name) for name in published} == published


def test_values_of_the_science_paper_s_code() -> None:
    recipe = RECIPES["science06"]
    published = {
        "pretrain.layers": (500, 500, 2000),
        "pretrain.passes": 50,
        "pretrain.batch": 100,
        "pretrain.rate": 0.1,
        "pretrain.final_share": 1,
        "pretrain.decay": 0.0002,
        "pretrain.recon_states": "none",
        "pretrain.early_momentum": 0.5,
        "pretrain.early_epochs": 5,
        "pretrain.momentum": 0.9,
        "pretrain.initial_sd": 0.1,
        "backprop.optimiser": "cg",
        "backprop.batch": 1000,
        "backprop.line_searches": 3,
        "backprop.top_only_epochs": 5,
        "backprop.importance_sampling": False,
        "backprop.max_epochs": 200,
    }
    assert {name: value_of(recipe, name) for name in published} == published


# -- conditions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ()),
        ({"labels": 10, "cases": 44000}, ("labels",)),
        ({"translations": 2}, ("translations",)),
        ({"images": 1000}, ("few images", "few labels")),
        ({"cd": 1, "persistent": False}, ()),
        ({"cd": 2}, ("more Gibbs sampling",)),
        ({"persistent": True, "labels": 10}, ("labels", "more Gibbs sampling")),
        ({"cd": None, "persistent": None}, ()),
        ({"sparsity_cost": 0.0}, ()),
        ({"sparsity_cost": 0.2, "labels": 10}, ("labels", "sparse features")),
        ({"labelled": 1000, "random_start": True}, ("few labels",)),
        ({"labelled": 1010}, ("few labels", "some labels")),
        ({"mixed": True, "generative": "wake-sleep"}, ("mixed gradient",)),
        ({"mixed": True, "generative": "pretraining"}, ("pretraining's gradient",)),
    ],
)
def test_an_experiment_s_conditions_have_names(asked: dict[str, Any], names: Any) -> None:
    assert conditions(**asked) == names
    assert set(names) <= set(RECIPES["tr2006"].variants)


def test_a_variant_takes_the_place_of_its_values_alone() -> None:
    recipe = RECIPES["tr2006"]
    plain, mixed = recipe.wakesleep, recipe.settings("wakesleep", ("mixed gradient",))
    assert (plain.epochs, plain.gibbs) == (132, (10,))
    assert mixed == dataclasses.replace(plain, epochs=60, gibbs=(3,))
    few = recipe.settings("backprop", ("few labels",))
    assert (few.patience, few.max_epochs, few.valid_every) == (100, 1000, 10)
    some = recipe.settings("backprop", ("few labels", "some labels"))
    assert (some.patience, some.valid_every) == (30, 1)
    assert recipe.settings("backprop", ("labels",)) == recipe.backprop


def test_the_source_of_a_value_is_that_of_its_variant() -> None:
    recipe = RECIPES["tr2006"]
    assert recipe.source("pretrain", "passes", 100) == CHAPTER
    assert recipe.source("pretrain", "passes", 30) == "option"
    assert recipe.source("pretrain", "passes", 30, ("labels",)) == HOT06
    assert recipe.source("pretrain", "passes", 100, ("labels",)) == "option"
    assert recipe.source("backprop", "rate", 0.05) == "option"
    assert "experiments/unlabelled" in recipe.source("backprop", "rate", 0.05, ("few labels",))


def test_a_recipe_on_another_has_its_variants_unless_it_says_otherwise() -> None:
    quick = RECIPES["quick"].settings("pretrain", ("labels",))
    assert (quick.passes, quick.initial_sd) == (5, 0.01)
    hot06 = RECIPES["hot06"].settings("wakesleep", ("mixed gradient",))
    assert (hot06.epochs, hot06.rate) == (60, RECIPES["hot06"].wakesleep.rate)


# -- the settings ----------------------------------------------------------------------------


@pytest.mark.parametrize(("part", "item"), FIELDS, ids=NAMES)
def test_every_setting_is_described(part: str, item: dataclasses.Field[Any]) -> None:
    assert item.metadata["help"].endswith("."), part
    name = f"{part}.{item.name}"
    before = EARLIER.get(name, value_of(RECIPES["tr2006"], name))
    assert item.default in (dataclasses.MISSING, before), (
        f"{name} has before={item.default!r}, but {before!r} in tr2006: if files that were written "
        "without it mean the former, it stands in EARLIER"
    )


@pytest.mark.parametrize(("part", "item"), FIELDS, ids=NAMES)
def test_what_a_setting_goes_with_is_a_setting_with_such_a_value_or_a_condition(
    part: str, item: dataclasses.Field[Any]
) -> None:
    fields = {own.name: own for own in dataclasses.fields(PARTS[part])}
    for other in "|".join(item.metadata["goes"]).split("|") if item.metadata["goes"] else ():
        name, value = [*re.split("[=>]", other), ""][:2]
        if name not in fields:
            assert name in RECIPES["tr2006"].variants
        elif choices := fields[name].metadata["choices"]:
            assert value in choices
        else:
            low, high = (fields[name].metadata[end] for end in ("low", "high"))
            assert value in ("", "0", "no") or low <= int(value) <= high


@pytest.mark.parametrize(("part", "item"), BOUNDED, ids=lambda x: getattr(x, "name", x))
def test_a_setting_takes_its_bounds_and_nothing_beyond(
    part: str, item: dataclasses.Field[Any]
) -> None:
    name, low, high = item.name, item.metadata["low"], item.metadata["high"]
    with_it = {"dropout": True} if "dropout" in item.metadata["goes"] else {}
    for inside in (low, high):
        assert getattr(changed(part, **with_it, **{name: inside}), name) == inside
    for outside in (low - 1e-7, high + 1e-4, min(low, 0) - 1, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"{name} lies between"):
            changed(part, **with_it, **{name: outside})


def test_momentum_stays_below_one_and_batches_hold_a_case() -> None:
    for part, setting, value in (
        ("pretrain", "momentum", 1.0),
        ("pretrain", "early_momentum", 1.0),
        ("backprop", "momentum", 1.0),
        ("pretrain", "batch", 0),
        ("backprop", "batch", 0),
        ("backprop", "easy_probability", 0.0),
    ):
        with pytest.raises(ValueError, match=setting):
            changed(part, **{setting: value})


def test_another_optimiser_is_refused_by_naming_the_known_ones() -> None:
    with pytest.raises(ValueError, match="optimiser is one of momentum, cg"):
        changed("backprop", optimiser="adam")


@pytest.mark.parametrize("layers", [(), (0,), (500, -1), (500, 2.5)])
def test_layers_without_units_are_refused(layers: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="numbers joined by hyphens"):
        changed("pretrain", layers=layers)


# -- text ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sizes"), [("500-500-2000", (500, 500, 2000)), ("7", (7,)), ("1-1", (1, 1))]
)
def test_layers_are_parsed_and_shown_alike(text: str, sizes: tuple[int, ...]) -> None:
    assert parse_layers(text) == sizes
    assert show_value(sizes) == text


@pytest.mark.parametrize(
    "text", ["", "-", "500-", "-500", "500--20", "0", "5-0", "5,5", "a", "2.5"]
)
def test_text_that_is_no_layer_sizes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="numbers joined by hyphens"):
        parse_layers(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "yes"), (False, "no"), (0.0002, "0.0002"), (1.0, "1"), (0, "0"), (300, "300"),
     ("cg", "cg"), (1e-6, "1e-06"), ((3, 6), "3-6"), ((0.5, 1.0), "0.5,1")],
)  # fmt: skip
def test_values_are_shown_as_they_are_typed(value: Any, text: str) -> None:
    assert show_value(value) == text


@pytest.mark.parametrize(
    ("text", "shares"),
    [("0.5", (0.5,)), ("0,0.25,1", (0.0, 0.25, 1.0)), (" 0.5, 1e-3", (0.5, 0.001))],
)
def test_shares_are_numbers_joined_by_commas(text: str, shares: tuple[float, ...]) -> None:
    assert parse_shares(text) == shares


@pytest.mark.parametrize("text", ["", ",", "0.5,", "0.5-0.9", "-0.1", "1.1", "nan", "inf", "half"])
def test_other_texts_are_not_shares(text: str) -> None:
    with pytest.raises(ValueError, match="joined by commas"):
        parse_shares(text)


def test_shares_outside_their_range_are_no_setting() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        changed("wakesleep", bp_weights=(0.5, 1.5))


@pytest.mark.parametrize("name", RECIPES)
def test_every_value_of_a_recipe_can_be_typed_as_it_is_shown(name: str) -> None:
    for setting in NAMES:
        value = value_of(RECIPES[name], setting)
        shown = show_value(value)
        if isinstance(value, tuple):
            limits = {f"{part}.{item.name}": item.metadata for part, item in FIELDS}[setting]
            assert limits["parse"](shown) == value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            assert type(value)(shown) == value
