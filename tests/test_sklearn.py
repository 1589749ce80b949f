"""The estimators keep scikit-learn's promises, and learn what the package learns."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
import reference
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from hinton06 import rbm as rbm_module
from hinton06 import sklearn
from hinton06.backprop import DiscriminativeFineTuning
from hinton06.mnist import Digits
from hinton06.models import Rbm
from hinton06.recipes import RECIPES
from hinton06.recognition import Cases
from hinton06.sklearn import RBM, DeepBeliefClassifier
from hinton06.stacking import GreedyStack
from hinton06.streams import Use, stream

Bytes = NDArray[np.uint8]


@pytest.fixture(scope="module")
def X(tiny_digits: Digits) -> Bytes:  # noqa: N802  # as scikit-learn's
    return tiny_digits.train_images


@pytest.fixture(scope="module")
def y(tiny_digits: Digits) -> Bytes:
    return tiny_digits.train_labels


def small(**values: Any) -> DeepBeliefClassifier:
    return DeepBeliefClassifier((30, 20), **{"pretrain_iter": 5, "random_state": 0, **values})


@pytest.mark.filterwarnings("ignore:X lies between")
@parametrize_with_checks(
    [
        RBM(n_components=8, random_state=0),
        small(),
        small(validation_fraction=0, max_iter=50),
        small(validation_fraction=0, max_iter=50, dropout=0.1, adversarial=0.1, virtual=0.1),
        small(validation_fraction=0, max_iter=50, neighbours=2),
    ]
)
def test_scikit_learn_s_own_checks(estimator: Any, check: Any) -> None:
    check(estimator)


# -- the RBM -------------------------------------------------------------------------------------


def test_an_rbm_learns_what_pretraining_learns(X: Bytes) -> None:
    """Equal random numbers give the bits of a stack of one layer."""
    mine = RBM(12, n_iter=7, batch_size=32, learning_rate=0.05, random_state=3).fit(X)
    settings = RECIPES["tr2006"].settings("pretrain")
    settings = type(settings)(**vars(settings) | {
        "layers": (12,), "passes": 7, "batch": 32, "rate": 0.05,
    })  # fmt: skip
    seed = np.random.RandomState(3).randint(2**31 - 1)
    learner = GreedyStack(X, settings, stream(seed, Use.RBM_ESTIMATOR))
    while learner.finished() is None:
        learner.run_epoch(lambda _: None)
    (wanted,) = learner.result()
    np.testing.assert_array_equal(mine.components_, wanted.weights.T)
    np.testing.assert_array_equal(mine.intercept_hidden_, wanted.hidden_bias)
    np.testing.assert_array_equal(mine.intercept_visible_, wanted.visible_bias)


def test_features_are_the_probabilities_of_eq_5(X: Bytes) -> None:
    mine = RBM(12, n_iter=2, random_state=0).fit(X)
    inputs = X / 255 @ mine.components_.T.astype(np.float64) + mine.intercept_hidden_
    found = mine.transform(X)
    assert found.dtype == np.float32
    tolerance = reference.rounding(784, 1.0, np.float32)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-inputs)), rtol=0, atol=tolerance)
    np.testing.assert_allclose(mine.transform(X / 255), found, rtol=0, atol=tolerance)
    assert list(mine.get_feature_names_out()[:2]) == ["rbm0", "rbm1"]


@pytest.mark.parametrize("binary", [True, False])
def test_score_samples_are_the_exact_pseudo_likelihood(binary: bool) -> None:
    """Each unit's conditional by brute force, from the energies of all states of a tiny RBM."""
    machine = reference.random_machine(4, 5, 3)
    mine = RBM(3, n_iter=1, random_state=0).fit(np.eye(5, dtype=np.float32))
    mine.rbm_ = Rbm(*(np.float32(a) for a in (machine.weights, machine.visible_bias,
                                              machine.hidden_bias)))  # fmt: skip
    rng = np.random.default_rng(0)
    cases = rng.integers(0, 2, (8, 5)).astype(np.float32) if binary else rng.random((8, 5))
    wanted = []
    for case in cases:
        total = 0.0
        for unit, value in enumerate(case):
            off, on = case.astype(np.float64), case.astype(np.float64)
            off[unit], on[unit] = 0, 1
            gain = reference.free_energy(machine, off) - reference.free_energy(machine, on)
            total += value * gain - np.logaddexp(0, gain)
        wanted.append(total)
    tolerance = reference.rounding(100, 10.0, np.float32)
    np.testing.assert_allclose(mine.score_samples(cases), wanted, rtol=0, atol=tolerance)
    energies = [reference.free_energy(machine, case.astype(np.float64)) for case in cases]
    np.testing.assert_allclose(mine.free_energy(cases), energies, rtol=0, atol=tolerance)


def test_digits_score_higher_after_learning_and_noise_lower(X: Bytes) -> None:
    noise = np.random.default_rng(0).random(X[:50].shape) < X[:50].mean() / 255
    before = RBM(30, n_iter=1, learning_rate=0.0, random_state=0).fit(X)
    after = RBM(30, n_iter=20, random_state=0).fit(X)
    assert after.score_samples(X[:50]).mean() > before.score_samples(X[:50]).mean() + 100
    assert after.score_samples(X[:50]).mean() > after.score_samples(noise).mean() + 100


def test_partial_fits_go_on_where_they_were(X: Bytes) -> None:
    mine = RBM(12, random_state=0)
    errors = []
    for _ in range(5):
        mine.partial_fit(X[:300]).partial_fit(X[300:])
        errors.append(float(((mine.gibbs(X) - X / 255) ** 2).sum(axis=1).mean()))
    assert errors[-1] < errors[0]
    again = RBM(12, random_state=0)
    for _ in range(5):
        again.partial_fit(X[:300])
        again = pickle.loads(pickle.dumps(again))
        again.partial_fit(X[300:])
        again.gibbs(X)  # as above: random numbers are spent
    np.testing.assert_array_equal(again.components_, mine.components_)


def test_a_pickled_rbm_draws_and_learns_as_the_one_it_was(X: Bytes) -> None:
    mine = RBM(12, n_iter=2, random_state=0).fit(X)
    other = pickle.loads(pickle.dumps(mine))
    np.testing.assert_array_equal(other.gibbs(X[:5]), mine.gibbs(X[:5]))
    np.testing.assert_array_equal(other.partial_fit(X).components_, mine.partial_fit(X).components_)


def test_gibbs_is_one_round_and_a_sample_many(X: Bytes) -> None:
    # Of random weights: where a few digits were learned noise leads to no feature, and stays there.
    mine = RBM(30, n_iter=1, learning_rate=0.0, random_state=0).fit(X)
    rng = pickle.loads(pickle.dumps(mine))._rng
    states = (X[:5] / 255).astype(np.float32)
    found = mine.gibbs(states)
    h_states = rbm_module.hidden_states(mine.rbm_, states, rng, np.empty((5, 30), np.float32))
    v_states = rbm_module.visible_states(mine.rbm_, h_states, rng, np.empty_like(states))
    np.testing.assert_array_equal(found, v_states)
    assert set(np.unique(found)) == {0, 1}
    dreams = mine.sample(3, rounds=10, random_state=5)
    assert dreams.shape == (3, 784)
    assert ((dreams >= 0) & (dreams <= 1)).all()
    np.testing.assert_array_equal(mine.sample(3, rounds=10, random_state=5), dreams)
    assert not np.array_equal(mine.sample(3, rounds=10), mine.sample(3, rounds=10))


# -- the classifier ------------------------------------------------------------------------------


def test_a_deep_belief_net_learns_digits(X: Bytes, y: Bytes, tiny_digits: Digits) -> None:
    names = np.array([f"digit {label}" for label in range(10)])
    mine = DeepBeliefClassifier((60, 60), pretrain_iter=20, random_state=0).fit(X, names[y])
    share = mine.score(tiny_digits.test_images, names[tiny_digits.test_labels])
    assert share > 0.6  # of guessing 0.1, by 13 standard errors of 200 cases
    assert list(mine.classes_) == sorted(names)
    probs = mine.predict_proba(tiny_digits.test_images)
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=reference.rounding(20, 1, np.float32))
    np.testing.assert_array_equal(
        names[probs.argmax(axis=1)], mine.predict(tiny_digits.test_images)
    )
    assert [rbm.n_hidden for rbm in mine.stack_] == [60, 60]
    assert mine.net_.sizes == (784, 60, 60, 10)
    assert mine.n_iter_ == len(mine.history_) >= mine.best_iter_
    errors = [row["valid_errors"] for row in mine.history_]
    assert mine.best_iter_ == errors.index(min(errors)) + 1


def test_a_tenth_of_each_class_validates_and_is_not_learned(X: Bytes, y: Bytes) -> None:
    rng, cases = np.random.default_rng(0), (X[:, :50], y.astype(np.int64))
    mine = small().fit(X, y)

    train, valid = mine._held_out(Cases(*cases), rng)
    assert valid is not None
    counts = np.bincount(y)
    np.testing.assert_array_equal(np.bincount(valid.labels), np.round(counts / 10))
    np.testing.assert_array_equal(np.bincount(train.labels) + np.bincount(valid.labels), counts)
    both = np.vstack([train.images, valid.images])
    assert sorted(map(bytes, both)) == sorted(map(bytes, cases[0]))


def test_without_validation_all_epochs_learn_all_cases(X: Bytes, y: Bytes) -> None:
    for mine in (small(validation_fraction=0, max_iter=4), small(max_iter=4)):
        few = np.concatenate([np.flatnonzero(y == label)[:4] for label in range(10)])
        mine.fit(X[few], y[few])  # a tenth of four is no case
        assert (mine.n_iter_, mine.best_iter_) == (4, 4)
        assert "valid_errors" not in mine.history_[0]


def test_without_pretraining_there_is_no_stack(X: Bytes, y: Bytes) -> None:
    mine = small(pretrain_iter=0, max_iter=2).fit(X, y)
    assert mine.stack_ is None
    assert mine.net_.sizes == (784, 30, 20, 10)


def test_equal_seeds_give_equal_nets_and_others_do_not(X: Bytes, y: Bytes) -> None:
    one, same, other = (small(random_state=s, max_iter=2).fit(X, y) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.predict_proba(X), same.predict_proba(X))
    assert not np.array_equal(one.predict_proba(X), other.predict_proba(X))


# -- with scikit-learn ---------------------------------------------------------------------------


def test_they_work_in_pipelines_and_grid_searches(X: Bytes, y: Bytes) -> None:
    steps = [
        ("scale", MinMaxScaler()),
        ("rbm", RBM(n_iter=3, random_state=0)),
        ("top", LogisticRegression(max_iter=300)),
    ]
    search = GridSearchCV(Pipeline(steps), {"rbm__n_components": [2, 40]}, cv=3).fit(X, y)
    assert search.best_params_ == {"rbm__n_components": 40}
    assert search.best_score_ > 0.6
    nets = GridSearchCV(small(max_iter=15), {"learning_rate": [1e-6, 0.2]}, cv=3).fit(X, y)
    assert nets.best_params_ == {"learning_rate": 0.2}
    piped = make_pipeline(MinMaxScaler(), small(max_iter=15)).fit(X.astype(np.float64), y)
    assert piped.score(X, y) > 0.6
    assert clone(piped).get_params()["deepbeliefclassifier__max_iter"] == 15


def test_a_warning_says_where_x_is_not_between_0_and_1(X: Bytes, y: Bytes) -> None:
    with pytest.warns(UserWarning, match="X lies between 0 and 255, and units of RBM"):
        RBM(4, n_iter=1).fit(X * 1.0)
    with pytest.warns(UserWarning, match="MinMaxScaler"):
        small(max_iter=1).fit(X / 255 - 0.5, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RBM(4, n_iter=1).fit(X).transform(X / 255)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"learning_rate": -1}, "learning_rate lies between 0 and 1000, not -1"),
        ({"n_iter": 0}, "n_iter lies between 1 and"),
        ({"batch_size": 0}, "batch_size lies between 1 and"),
        ({"momentum": 1}, "momentum lies between"),
        ({"n_components": 0}, "n_components"),
    ],
)
def test_a_value_of_the_rbm_that_is_out_of_range_is_named(
    values: dict[str, Any], words: str, X: Bytes
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        RBM(**values).fit(X)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"learning_rate": -1}, "learning_rate lies between 0 and 1000, not -1"),
        ({"pretrain_learning_rate": -1}, "pretrain_learning_rate lies between"),
        ({"max_iter": 0}, "max_iter lies between 1 and"),
        ({"n_iter_no_change": -1}, "n_iter_no_change lies between 0 and"),
        ({"pretrain_iter": -1}, "pretrain_iter is 0 or more, not -1"),
        ({"hidden_layer_sizes": ()}, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": (5, 0)}, "hidden_layer_sizes"),
        ({"validation_fraction": 1}, "validation_fraction lies between 0 and 1, not 1"),
        ({"dropout": 1}, "dropout lies between 0 and 1, not 1"),
        ({"dropout": -0.1}, "dropout lies between 0 and 1, not -0.1"),
        ({"adversarial": -1}, "adversarial lies between"),
        ({"virtual": -1}, "virtual lies between"),
        ({"neighbours": -1}, "neighbours lies between"),
    ],
)
def test_a_value_of_the_classifier_that_is_out_of_range_is_named(
    values: dict[str, Any], words: str, X: Bytes, y: Bytes
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        DeepBeliefClassifier(**{"hidden_layer_sizes": (5,), **values}).fit(X, y)


@pytest.mark.filterwarnings("ignore:X lies between")
def test_weights_that_overflow_end_the_fit(X: Bytes, y: Bytes) -> None:
    huge = X * np.float32(1e35)
    with pytest.raises(ValueError, match=r"no longer finite; a smaller learning_rate\?"):
        RBM(5).fit(huge)
    with pytest.raises(ValueError, match="no longer finite; a smaller pretrain_learning_rate"):
        small().fit(huge, y)
    with pytest.raises(ValueError, match=r"no longer finite; a smaller learning_rate\?"):
        small(pretrain_iter=0, learning_rate=1000, max_iter=20).fit(huge, y)


def test_verbose_prints_a_line_a_pass(X: Bytes, y: Bytes, capsys: Any) -> None:
    RBM(4, n_iter=2, verbose=True).fit(X)
    printed = capsys.readouterr().out
    assert re.fullmatch(r"(\[RBM\] pass \d: reconstruction error [\d.]+\n){2}", printed)
    small(max_iter=1, verbose=True).fit(X, y)
    assert "[DeepBeliefClassifier] epoch 1: sampled cost" in capsys.readouterr().out
    small(max_iter=1).fit(X, y)
    assert capsys.readouterr().out == ""


def test_binary_pixels_as_bytes_are_warned_of_whenever_they_come(X: Bytes, y: Bytes) -> None:
    binary = (X > 127).astype(np.uint8)
    with pytest.warns(UserWarning, match="uint8 of 0 and 1, which are divided by 255"):
        RBM(5, n_iter=1).fit(binary)
    learned = DeepBeliefClassifier((5,), pretrain_iter=1, max_iter=1).fit(binary.astype(bool), y)
    with pytest.warns(UserWarning, match="uint8 of 0 and 1"):
        learned.predict(binary)
    with pytest.warns(UserWarning, match="X lies between 0 and 255"):
        learned.predict(X.astype(np.float64))


@pytest.mark.filterwarnings("ignore:X lies between")
def test_a_fit_that_fails_leaves_nothing_to_be_asked(X: Bytes, y: Bytes) -> None:
    learned = DeepBeliefClassifier((5,), pretrain_iter=1, max_iter=1).fit(X, y)
    huge = X * np.float32(1e35)
    with pytest.raises(ValueError, match="no longer finite"):
        learned.fit(huge, y + 10)
    for ask in (learned.predict, learned.predict_proba):
        with pytest.raises(NotFittedError):
            ask(X)
    learned.fit(X, y)
    with pytest.raises(ValueError, match="one class"):
        learned.fit(X, y * 0)
    with pytest.raises(NotFittedError):
        learned.predict(X)
    rbm = RBM(5, n_iter=1).fit(X)
    with pytest.raises(ValueError, match="no longer finite"):
        rbm.fit(huge)
    with pytest.raises(NotFittedError):
        rbm.transform(X)


def test_partial_fit_takes_the_arguments_of_now(X: Bytes) -> None:
    def begun() -> RBM:
        return RBM(8, random_state=0).partial_fit(X)

    # At a rate of 0 the velocity alone goes on: halved by each batch, as early momentum is.
    for size, updates in ((100, 6), (600, 1)):
        learned = begun()
        before, velocity = learned.components_.copy(), learned._divergence.weights.velocity.copy()
        learned.set_params(learning_rate=0.0, batch_size=size).partial_fit(X)
        moved = velocity.T * (1 - 0.5**updates)
        atol = reference.rounding(2 * updates, size=abs(before).max() + abs(moved).max(),
                                  dtype=np.float32)  # fmt: skip
        np.testing.assert_allclose(learned.components_, before + moved, rtol=0, atol=atol)
        assert abs(moved).max() > 10 * atol
    with pytest.raises(ValueError, match="n_components is 8 of what was learned before, not 9"):
        begun().set_params(n_components=9).partial_fit(X)


@pytest.mark.parametrize("share", [0.6, 0.9, 0.999])
def test_of_every_class_a_case_is_learned(share: float) -> None:
    labels = np.array([0] * 10 + [1] * 10 + [2] * 2)
    X = np.random.default_rng(0).random((len(labels), 6), np.float32)
    learned = DeepBeliefClassifier((4,), pretrain_iter=1, max_iter=2, validation_fraction=share)
    learned.classes_ = np.arange(3)
    train, valid = learned._held_out(Cases(X, labels), np.random.default_rng(0))
    assert valid is not None
    for part in (train, valid):
        assert set(part.labels) == {0, 1, 2}
    learned.fit(X, labels)


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (RBM(5, n_iter=1, n_jobs=2.0), "n_jobs is an integer, not 2.0"),
        (RBM(5, n_iter=1, n_jobs=0), "n_jobs is not 0"),
        (RBM(5, n_iter=1, batch_size=1.5), "batch_size is an integer, not 1.5"),
        (RBM(5.5, n_iter=1), "n_components is an integer, not 5.5"),
        (DeepBeliefClassifier((5,), neighbours=1.5), "neighbours is an integer, not 1.5"),
        (DeepBeliefClassifier((10.7,)), "hidden_layer_sizes is an integer, not 10.7"),
        (RBM(5, n_iter=1.5), "n_iter is an integer, not 1.5"),
        (RBM(5, n_iter=1, learning_rate=None), "learning_rate is a number, not None"),
        (DeepBeliefClassifier((5,), pretrain_iter=0.5), "pretrain_iter is an integer, not 0.5"),
        (DeepBeliefClassifier((5,), pretrain_iter=1, max_iter=2.5), "max_iter is an integer"),
        (DeepBeliefClassifier((5,), pretrain_iter=1, adversarial="1"), "adversarial is a number"),
        (DeepBeliefClassifier((5,), pretrain_iter=1, dropout=None), "dropout is a number, not No"),
        (DeepBeliefClassifier((5,), validation_fraction=None), "validation_fraction is a number"),
        (DeepBeliefClassifier((5,), unlabelled=[-1]), r"unlabelled is a scalar, not \[-1\]"),
    ],
)
def test_a_value_of_another_type_is_named(X: Bytes, y: Bytes, estimator: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        estimator.fit(X, y)
    assert RBM(5, n_iter=1).fit(X).transform(X).shape == (len(X), 5)


def test_one_hidden_layer_may_be_a_number(X: Bytes, y: Bytes) -> None:
    learned = DeepBeliefClassifier(7, pretrain_iter=1, max_iter=1).fit(X, y)
    assert learned.net_.sizes[1:-1] == (7,)


def test_no_samples_and_no_rounds_are_refused(X: Bytes) -> None:
    learned = RBM(5, n_iter=1).fit(X)
    for n, rounds in ((0, 1), (1, 0), (1, -1)):
        with pytest.raises(ValueError, match="at least one sample and one round"):
            learned.sample(n, rounds)


def test_without_scikit_learn_the_group_is_named() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import hinton06; hinton06.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: hinton06.sklearn needs scikit-learn 1.6 or newer: "
        "pip install 'hinton06[sklearn]'"
    )


def test_the_error_that_a_pass_prints_is_that_of_a_case(X: Bytes, capsys: Any) -> None:
    RBM(4, n_iter=1, learning_rate=0.0, random_state=0, verbose=True).fit(X)
    error = float(capsys.readouterr().out.split()[-1])
    # States and probabilities differ by less than 1 at each of the pixels of a case; the small
    # weights of the start leave a half or so at all of them.
    assert 784 / 16 < error < 784


def test_all_cases_are_learned_at_the_rate_that_was_given(X: Bytes, y: Bytes) -> None:
    mine = small(validation_fraction=0, learning_rate=0.0, max_iter=2).fit(X, y)
    np.testing.assert_array_equal(mine.net_.weights[0], mine.stack_[0].weights)
    assert not mine.net_.weights[-1].any()


@pytest.mark.parametrize("none", [-1, ""])
def test_cases_without_labels_are_pretrained_on_and_learned_without_them(
    X: Bytes, y: Bytes, monkeypatch: pytest.MonkeyPatch, none: Any
) -> None:
    given: list[Any] = []

    class Noted(DiscriminativeFineTuning):
        def __init__(self, *args: Any, **named: Any) -> None:
            given.append(args)
            super().__init__(*args, **named)

    monkeypatch.setattr(sklearn, "DiscriminativeFineTuning", Noted)
    told = y.astype(np.int64) if none == -1 else np.array([f"digit {label}" for label in y])
    told[300:] = none
    mine = small(unlabelled=none, virtual=1.0, max_iter=2).fit(X, told)
    assert none not in mine.classes_
    _, train, _, _, valid, _ = given[0]
    assert valid is not None
    assert len(train) + len(valid) == 300
    seen = [*train.images, *X[300:]]
    np.testing.assert_array_equal(train.unlabelled.images, seen)
    # Of what validates nothing is learned.
    assert not {bytes(image) for image in valid.images} & {bytes(image) for image in seen}
    fewer = small(virtual=1.0, max_iter=2).fit(X[:300], told[:300])
    assert (mine.stack_[0].weights != fewer.stack_[0].weights).any()
    assert (mine.net_.weights[0] != mine.stack_[0].weights).any()


def test_each_of_what_is_not_the_chapter_s_changes_what_is_learned(X: Bytes, y: Bytes) -> None:
    values = ({}, {"dropout": 0.2}, {"adversarial": 1.0}, {"virtual": 1.0}, {"neighbours": 2})
    nets = [small(max_iter=3, **own).fit(X, y) for own in values]
    found = {bytes(mine.net_.weights[0]) for mine in nets}
    assert len(found) == len(values)
    assert "rate" not in nets[0].history_[0]
    for mine in nets[1:]:
        rates = [row["rate"] for row in mine.history_]
        assert rates == pytest.approx([0.2, 0.2 * 0.525, 0.2 * 0.05])
        again = clone(mine).fit(X, y)
        np.testing.assert_array_equal(again.net_.weights[0], mine.net_.weights[0])


def test_a_case_has_the_same_answer_wherever_it_lies(X: Bytes, y: Bytes) -> None:
    mine = small(max_iter=2).fit(X, y)
    wide = X[:61].astype(np.float32) / 255
    order = np.random.default_rng(0).permutation(61)
    together = mine.predict_proba(wide)
    several = mine.predict_proba(wide[order])[np.argsort(order)]
    alone = np.vstack([mine.predict_proba(wide[[row]]) for row in range(61)])
    # Sums of at most 785 numbers, of size 20 or less, through three layers.
    bound = 3 * reference.rounding(800, size=20)
    for found in (several, alone):
        np.testing.assert_allclose(found, together, rtol=0, atol=bound)


def test_no_label_at_all_is_one_class_too_few(X: Bytes) -> None:
    with pytest.raises(ValueError, match="two classes or more"):
        small(unlabelled=-1).fit(X, np.full(len(X), -1))


def test_a_random_state_of_0_is_one() -> None:
    mine = RBM(4, n_iter=1, random_state=1).fit(np.eye(6, dtype=np.float32))
    dreams = mine.sample(20, rounds=2, random_state=0)
    np.testing.assert_array_equal(mine.sample(20, rounds=2, random_state=0), dreams)


def test_no_case_validates_if_one_class_has_too_few(X: Bytes) -> None:
    labels = np.array([0] * 20 + [1] * 20 + [2] * 4)  # of which a tenth is 2, 2 and none
    mine = small()
    mine.classes_ = np.arange(3)
    given = Cases(X[:44], labels)
    train, valid = mine._held_out(given, np.random.default_rng(0))
    assert train is given
    assert valid is None
