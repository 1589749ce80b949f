"""The chapter's learners as scikit-learn estimators: an RBM, and a deep belief net that classifies.

They need scikit-learn, an optional dependency: ``pip install 'hinton06[sklearn]'``. Arguments have
the names that scikit-learn's own `BernoulliRBM` and `MLPClassifier` use; the values of what is not
an argument are those of the recipe tr2006 (docs/assumptions.md).

Units are binary, so features of X lie between 0 and 1; uint8 is divided by 255. A warning says
when others are fitted, for which `sklearn.preprocessing.MinMaxScaler` is the remedy.
"""

from __future__ import annotations

import dataclasses
import numbers
import operator
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hinton06 import generation, native, rbm, recognition
from hinton06.backprop import DiscriminativeFineTuning
from hinton06.generation import AlternatingGibbs, Generator
from hinton06.models import Classifier, Rbm, Stack
from hinton06.neighbours import Neighbours
from hinton06.numerics import Array, batches, batches_taken, epoch_order, softplus, take_batch
from hinton06.recipes import RECIPES, BackpropSettings, conditions
from hinton06.recognition import Cases
from hinton06.stacking import GreedyStack, features, step_at
from hinton06.streams import Use, stream

try:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        ClassNamePrefixFeaturesOutMixin,
        TransformerMixin,
    )
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as missing:
    raise ImportError(
        "hinton06.sklearn needs scikit-learn 1.6 or newer: pip install 'hinton06[sklearn]'"
    ) from missing

_RECIPE = RECIPES["tr2006"]
_BATCH = 100


def _integer(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is an integer, not {value!r}") from None


def _number(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is a number, not {value!r}")
    return value


class _Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed
    """What both share: their data, threads, random numbers, and settings in other words."""

    n_jobs: int | None
    random_state: Any
    verbose: bool
    _words: ClassVar[dict[str, str]] = {}

    def _data(self, X: Any, first: bool) -> NDArray[Any]:
        """X as uint8 or float32, checked as scikit-learn checks it; a warning of another range.

        Of what was scaled as the `first` X some numbers may lie beyond it, but not their mean.
        """
        types = [np.float32, np.float64, np.uint8]
        cases: NDArray[Any] = validate_data(self, X, dtype=types, reset=first)
        if cases.dtype != np.uint8:
            cases = np.ascontiguousarray(cases, np.float32)
        lowest, highest = cases.min(), cases.max()
        least, most = (lowest, highest) if first else 2 * (cases.mean(dtype=np.float64),)
        if cases.dtype == np.uint8 and highest == 1:
            self._warn("X is uint8 of 0 and 1, which are divided by 255: give booleans or floats")
        elif cases.dtype != np.uint8 and (least < 0 or most > 1):
            self._warn(
                f"X lies between {lowest:g} and {highest:g}, and units of {type(self).__name__} "
                "between 0 and 1: scale it, with MinMaxScaler, or dividing grey levels by 255"
            )
        return cases

    def _warn(self, text: str) -> None:
        warnings.warn(text, stacklevel=4)

    def _forget(self) -> None:
        """What was learned: a fit that fails leaves nothing that could be asked."""
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """`n_jobs` threads; numbers that overflow are found out where they have a name for it."""
        count = _integer("n_jobs", 1 if self.n_jobs is None else self.n_jobs)
        if count == 0:
            raise ValueError("n_jobs is not 0")
        count = count if count > 0 else max(1, native.usable_threads() + 1 + count)
        with native.threads(count), np.errstate(all="ignore"):
            yield

    def _generator(self, use: Use, random_state: Any) -> np.random.Generator:
        """As many random numbers as are needed, from a `random_state`."""
        return stream(check_random_state(random_state).randint(2**31 - 1), use)

    def _settings(self, part: str, under: Sequence[str] = (), **values: Any) -> Any:
        """The recipe's settings with these values; their errors name the arguments."""
        layers = values.get("layers", (1,))
        if not layers or min(layers) < 1:
            raise ValueError(f"{self._words['pretrain.layers']}: no layer, or one without units")
        usual = _RECIPE.settings(part, under)
        for name, value in values.items():
            checked = {int: _integer, float: _number}.get(type(getattr(usual, name)))
            if checked:
                values[name] = checked(self._words.get(f"{part}.{name}", name), value)
        try:
            return dataclasses.replace(usual, **values)
        except (ValueError, TypeError) as error:
            name, _, rest = str(error).partition(" ")
            raise type(error)(f"{self._words.get(f'{part}.{name}', name)} {rest}") from None

    def _say(self, text: str) -> None:
        if self.verbose:
            print(f"[{type(self).__name__}] {text}", flush=True)


class RBM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _Estimator):  # type: ignore[misc]
    """A restricted Boltzmann machine, learned by one-step contrastive divergence.

    Parameters
    ----------
    n_components : int
        Feature detectors.
    learning_rate : float
    n_iter : int
        Passes through the training set in `fit`.
    batch_size : int
        Cases between weight updates.
    momentum : float
        From the sixth pass on; 0.5 before.
    decay : float
        L2 weight decay, on weights.
    initial_sd : float
        Standard deviation of the initial weights.
    random_state : int, RandomState or None
    n_jobs : int or None
        Threads; None is one, -1 as many as this process may use.
    verbose : bool
        Whether to print the reconstruction error of each pass.

    Attributes
    ----------
    rbm_ : hinton06.models.Rbm
    components_ : (n_components, n_features) float32 array
        The weights, as in `sklearn.neural_network.BernoulliRBM`.
    intercept_hidden_ : (n_components,) float32 array
    intercept_visible_ : (n_features,) float32 array
    n_features_in_ : int

    Source
    ------
    "Learning one layer of feature detectors", Eqs 4 to 6.
    """

    _words: ClassVar[dict[str, str]] = {
        "pretrain.layers": "n_components",
        "pretrain.rate": "learning_rate",
        "pretrain.passes": "n_iter",
        "pretrain.batch": "batch_size",
    }

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: float = 0.1,
        n_iter: int = 10,
        batch_size: int = 100,
        momentum: float = 0.9,
        decay: float = 0.0002,
        initial_sd: float = 0.1,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.n_iter = n_iter
        self.batch_size = batch_size
        self.momentum = momentum
        self.decay = decay
        self.initial_sd = initial_sd
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """float32, whatever comes in."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def components_(self) -> Array:
        """The weights: (n_components, n_features)."""
        return self._fitted().weights.T

    @property
    def intercept_hidden_(self) -> Array:
        """The features' biases: (n_components,)."""
        return self._fitted().hidden_bias

    @property
    def intercept_visible_(self) -> Array:
        """The visible units' biases: (n_features,)."""
        return self._fitted().visible_bias

    @property
    def _n_features_out(self) -> int:
        return self._fitted().n_hidden

    def _fitted(self) -> Rbm:
        if "rbm_" not in vars(self):  # an attribute that is not there, for hasattr to see
            raise AttributeError(f"this {type(self).__name__} is not fitted yet")
        found: Rbm = self.rbm_
        return found

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002
        """Learn X, (n, n_features), from the start, `n_iter` times through."""
        self._forget()
        cases = self._data(X, first=True)
        self._start()
        try:
            with self._computing():
                for _ in range(self.n_iter):
                    self._pass(cases, epoch_order(len(cases), self._rng))
        except BaseException:  # Ctrl-C among them
            self._forget()
            raise
        return self

    def partial_fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002
        """Learn X once, in its order, and go on from what was learned before.

        A call counts as a pass: the momentum rises at the sixth. Arguments are those of now.
        """
        cases = self._data(X, first="rbm_" not in vars(self))
        if "rbm_" in vars(self):
            self._go_on()
        else:
            self._start()
        with self._computing():
            self._pass(cases, np.arange(len(cases)))
        return self

    def _start(self) -> None:
        self._learned_by = self._arguments()
        self._rng, self._passes = self._generator(Use.RBM_ESTIMATOR, self.random_state), 0
        self.rbm_ = Rbm.random(self.n_features_in_, self.n_components, self.initial_sd, self._rng)
        self._divergence = rbm.ContrastiveDivergence(self.rbm_, self.batch_size)

    def _go_on(self) -> None:
        """With the arguments of now, which `set_params` may have changed."""
        before, self._learned_by = self._learned_by, self._arguments()
        if self._learned_by.layers != before.layers:
            raise ValueError(
                f"n_components is {before.layers[0]} of what was learned before, not "
                f"{self.n_components}; fit starts anew"
            )
        if self._learned_by.batch != before.batch:
            momenta = self._divergence.momenta
            self._divergence = rbm.ContrastiveDivergence(self.rbm_, self.batch_size)
            for name, momentum in self._divergence.momenta.items():
                momentum.restore(momenta[name].velocity)

    def _arguments(self) -> Any:
        """In the recipe's words, checked."""
        return self._settings(
            "pretrain", layers=(_integer("n_components", self.n_components),),
            passes=self.n_iter, batch=self.batch_size,
            rate=self.learning_rate, momentum=self.momentum, decay=self.decay,
            initial_sd=self.initial_sd,
        )  # fmt: skip

    def _pass(self, cases: NDArray[Any], order: NDArray[np.int64]) -> None:
        """One pass through the cases, in an order."""
        step, squared_error = step_at(self._learned_by, self._passes), 0.0
        for batch in batches(len(order), self.batch_size):
            rows = order[batch]
            take_batch(cases, rows, self._divergence.data_buffer(len(rows)))
            squared_error += self._divergence.learn(len(rows), self._rng, step)
        self._passes += 1
        if not all(np.isfinite(array).all() for array in self.rbm_.parameters().values()):
            raise ValueError("a weight is no longer finite; a smaller learning_rate?")
        self._say(f"pass {self._passes}: reconstruction error {squared_error / len(order):.4g}")

    def transform(self, X: ArrayLike) -> Array:
        """The features' activation probabilities, Eq. 5: (n, n_components) float32."""
        check_is_fitted(self, "rbm_")
        with self._computing():
            return features(self.rbm_, self._data(X, first=False))

    def free_energy(self, X: ArrayLike) -> Array:
        """The free energy of each case, in nats: (n,); p(x) is proportional to exp(-F(x))."""
        check_is_fitted(self, "rbm_")
        cases = self._data(X, first=False)
        with self._computing():
            return np.concatenate(
                [rbm.free_energy(self.rbm_, v) for _, v in batches_taken(cases, _BATCH, np.float32)]
            )

    def score_samples(self, X: ArrayLike) -> Array:
        """The pseudo-log-likelihood of each case, in nats: (n,) float32.

        The sum over units of the log probability of each one's value given all others, exact, and
        not estimated at one unit of each case as in scikit-learn's `BernoulliRBM`. Of values
        between 0 and 1 the cross-entropy.
        """
        check_is_fitted(self, "rbm_")
        cases = self._data(X, first=False)
        with self._computing():
            return np.concatenate(
                [
                    _pseudo_log_likelihood(self.rbm_, v)
                    for _, v in batches_taken(cases, _BATCH, np.float32)
                ]
            )

    def gibbs(self, v: ArrayLike) -> Array:
        """One round of alternating Gibbs sampling from visible states: (n, n_features) of 0 and 1.

        Eq. 5, then Eq. 6.
        """
        check_is_fitted(self, "rbm_")
        cases = self._data(v, first=False)
        states = take_batch(cases, slice(None), np.empty(cases.shape, np.float32))
        with self._computing():
            chains = AlternatingGibbs(self.rbm_, states)
            chains.run(1, self._rng)
            return chains.v_states

    def sample(self, n_samples: int = 1, rounds: int = 1000, random_state: Any = None) -> Array:
        """What the RBM dreams: (n_samples, n_features) probabilities, each of a chain of its own.

        So many `rounds` of alternating Gibbs sampling from random states; a `random_state` of None
        goes on with the estimator's own random numbers.
        """
        check_is_fitted(self, "rbm_")
        if n_samples < 1 or rounds < 1:
            raise ValueError(f"at least one sample and one round, not {n_samples} and {rounds}")
        rng = self._rng
        if random_state is not None:
            rng = self._generator(Use.RBM_ESTIMATOR_DREAMS, random_state)
        generator = Generator(self.rbm_)
        with self._computing():
            chains = generation.start(generator, n_samples, rng)
            return generation.fantasies(generator, chains, 1, rounds, rng).images[:, 0]


def _pseudo_log_likelihood(model: Rbm, v: Array) -> Array:
    """``sum_i log p(v_i | all others)`` of visible vectors: (n,) nats."""
    # In float64: in float32 the last digit would depend on where the cases lie in memory.
    wide, weights = v.astype(np.float64), model.weights.astype(np.float64)
    inputs = wide @ weights + model.hidden_bias
    total = np.zeros(len(v))
    for unit, row in enumerate(weights):
        value = wide[:, unit]
        off = inputs - np.outer(value, row)
        # How much lower the free energy is with the unit on than off.
        gain = (softplus(off + row) - softplus(off)).sum(axis=1) + model.visible_bias[unit]
        total += value * gain - np.logaddexp(0, gain)
    return total.astype(v.dtype)


class DeepBeliefClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A deep net, pretrained greedily as RBMs without labels, then fine-tuned by backpropagation.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, or int
        Units of each hidden layer, bottom to top.
    pretrain_learning_rate : float
    pretrain_iter : int
        Passes through the training set for each layer. 0: no pretraining, from random weights.
    learning_rate : float
        Of backpropagation.
    momentum : float
        Of both, in pretraining from the sixth pass on.
    batch_size : int
        Cases between weight updates.
    max_iter : int
        The most epochs of backpropagation.
    validation_fraction : float
        Share of the cases that is held out, equally of each class: learning stops once their cost
        is past its minimum and their fewest errors are `n_iter_no_change` epochs old, and the
        weights go back to these. 0, or too few cases of a class: `max_iter` epochs, all cases.
    n_iter_no_change : int
    random_state : int, RandomState or None
    n_jobs : int or None
        Threads; None is one, -1 as many as this process may use.
    verbose : bool
        Whether to print a line for each epoch.
    unlabelled : scalar, optional
        What stands in y for no label: such cases are pretrained on, and learned by `virtual`.
    dropout : float
        The chance of each feature to be left out in backpropagation. Not the chapter's, as the next
        three; with any of them the rate falls, linearly, to 5 % in `max_iter` epochs, and all are
        made.
    adversarial : float
        Learn each case moved so far, in Euclidean length, to where it costs most.
    virtual : float
        Learn all cases, whether they have labels or not, moved so far to where the net's answer
        changes most, to be answered as before; 400 beside each batch, and an epoch is a sweep of
        them, or of the labelled ones if that has more batches.
    neighbours : int
        Learn each case somewhere on the line through it and one of its so many nearest of its
        class, drawn anew each time: between them, or up to twice as far away beyond the case.

    Attributes
    ----------
    classes_ : (n_classes,) array
    net_ : hinton06.models.Classifier
    stack_ : hinton06.models.Stack or None
        What pretraining learned.
    history_ : list of dict
        What each epoch of backpropagation measured.
    n_iter_ : int
        Epochs of backpropagation, `best_iter_` those until the weights that were kept.
    n_features_in_ : int

    Source
    ------
    "A greedy learning algorithm for multiple hidden layers", "Details of the discriminative
    fine-tuning procedure".
    """

    _words: ClassVar[dict[str, str]] = {
        "pretrain.layers": "hidden_layer_sizes",
        "pretrain.rate": "pretrain_learning_rate",
        "pretrain.passes": "pretrain_iter",
        "pretrain.batch": "batch_size",
        "backprop.rate": "learning_rate",
        "backprop.batch": "batch_size",
        "backprop.max_epochs": "max_iter",
        "backprop.patience": "n_iter_no_change",
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | int = (500, 500, 2000),
        *,
        pretrain_learning_rate: float = 0.1,
        pretrain_iter: int = 10,
        learning_rate: float = 0.2,
        momentum: float = 0.9,
        batch_size: int = 100,
        max_iter: int = 100,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
        unlabelled: Any = None,
        dropout: float = 0.0,
        adversarial: float = 0.0,
        virtual: float = 0.0,
        neighbours: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.pretrain_learning_rate = pretrain_learning_rate
        self.pretrain_iter = pretrain_iter
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.unlabelled = unlabelled
        self.dropout = dropout
        self.adversarial = adversarial
        self.virtual = virtual
        self.neighbours = neighbours

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn X, (n, n_features), and then its labels y, (n,)."""
        self._forget()
        if not 0 <= _number("validation_fraction", self.validation_fraction) < 1:
            raise ValueError(
                f"validation_fraction lies between 0 and 1, not {self.validation_fraction}"
            )
        _, y = validate_data(self, X, y, dtype=None)
        cases = self._data(X, first=True)
        check_classification_targets(y)
        told = np.asarray(y)
        if np.ndim(self.unlabelled):
            raise TypeError(f"unlabelled is a scalar, not {self.unlabelled!r}")
        known = np.array([self.unlabelled is None or label != self.unlabelled for label in told])
        self.classes_, labels = np.unique(told[known], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("a classifier needs two classes or more, and y is of one class")
        rng = self._generator(Use.CLASSIFIER_ESTIMATOR, self.random_state)
        with self._computing():
            train, valid = self._held_out(Cases(cases[known], labels), rng)
            seen = train.images if known.all() else np.vstack([train.images, cases[~known]])
            train = dataclasses.replace(
                train, unlabelled=Cases(seen, np.zeros(len(seen), np.int64))
            )
            self._fine_tune(self._pretrained(seen, rng), train, valid, rng)
        return self

    def _held_out(self, cases: Cases, rng: np.random.Generator) -> tuple[Cases, Cases | None]:
        """Cases to learn, and cases to validate with, if there are enough of every class."""
        order = rng.permutation(len(cases))
        own = [order[cases.labels[order] == label] for label in range(len(self.classes_))]
        sizes = [min(round(self.validation_fraction * len(r)), len(r) - 1) for r in own]
        if min(sizes) < 1:
            return cases, None
        valid = np.sort(np.concatenate([r[:n] for r, n in zip(own, sizes, strict=True)]))
        train = np.sort(np.concatenate([r[n:] for r, n in zip(own, sizes, strict=True)]))
        return (
            Cases(cases.images[train], cases.labels[train]),
            Cases(cases.images[valid], cases.labels[valid]),
        )

    def _pretrained(self, images: NDArray[Any], rng: np.random.Generator) -> Classifier:
        name, sizes = "hidden_layer_sizes", self.hidden_layer_sizes
        layers = tuple(_integer(name, size) for size in np.atleast_1d(np.asarray(sizes, object)))
        passes = _integer("pretrain_iter", self.pretrain_iter)
        settings = self._settings(
            "pretrain", layers=layers, passes=max(1, passes), batch=self.batch_size,
            rate=self.pretrain_learning_rate, momentum=self.momentum,
        )  # fmt: skip
        n_classes, self.stack_ = len(self.classes_), None
        if passes == 0:
            sizes = (images.shape[1], *layers, n_classes)
            return Classifier.random(sizes, _RECIPE.backprop.initial_scale, rng)
        if passes < 0:
            raise ValueError(f"pretrain_iter is 0 or more, not {passes}")
        learner = GreedyStack(images, settings, rng)
        while learner.finished() is None:
            where, row = learner.where(), learner.run_epoch(lambda _: None)
            self._check_finite(learner.parameters(), "pretrain_learning_rate")
            self._say(f"{where}: reconstruction error {row['recon_error']:.4g}")
        stack: Stack = learner.result()
        self.stack_ = stack
        return Classifier.on_stack(stack, n_classes)

    def _fine_tune(
        self, net: Classifier, train: Cases, valid: Cases | None, rng: np.random.Generator
    ) -> None:
        if not 0 <= _number("dropout", self.dropout) < 1:
            raise ValueError(f"dropout lies between 0 and 1, not {self.dropout}")
        values: dict[str, Any] = {
            "adversarial": self.adversarial, "virtual": self.virtual, "neighbours": self.neighbours,
        }  # fmt: skip
        apart = any((self.dropout, *values.values()))
        if apart:
            values |= {"feature_dropout": (float(self.dropout),), "pixel_dropout": 0.0,
                       "epochs": self.max_iter}  # fmt: skip
        settings = self._settings(
            "backprop", conditions(dropout=apart, **values), batch=self.batch_size,
            rate=self.learning_rate, all_cases_rate=self.learning_rate, momentum=self.momentum,
            max_epochs=self.max_iter, patience=self.n_iter_no_change, **values,
        )  # fmt: skip
        never = None if valid is not None else -1.0  # a cost that is not reached
        masks = None
        if apart:
            masks = self._generator(Use.CLASSIFIER_ESTIMATOR_DROPOUT, self.random_state)
        if settings.neighbours:
            train = self._near(train, settings)
        learner = DiscriminativeFineTuning(net, train, settings, rng, valid, never, masks=masks)
        self.history_: list[dict[str, float]] = []
        while learner.finished() is None:
            where, row = learner.where(), learner.run_epoch(lambda _: None)
            self._check_finite(learner.parameters(), "learning_rate")
            self.history_.append(row)
            shown = ", ".join(f"{name.replace('_', ' ')} {row[name]:.4g}" for name in row)
            self._say(f"{where}: {shown}")
        self.net_ = learner.result()
        self.n_iter_, self.best_iter_ = learner.epoch, learner.selected.epoch

    def _near(self, train: Cases, settings: BackpropSettings) -> Cases:
        """The same, each moved to near ones when it is learned."""
        drawn = self._generator(Use.CLASSIFIER_ESTIMATOR_NEIGHBOURS, self.random_state)
        how = settings.neighbours, settings.neighbour_away, settings.neighbour_towards
        near = Neighbours(train.images, train.labels, *how, lambda _epoch: drawn)
        return dataclasses.replace(train, neighbours=near)

    def _check_finite(self, parameters: dict[str, Array], rate: str) -> None:
        if not all(np.isfinite(array).all() for array in parameters.values()):
            raise ValueError(f"a weight is no longer finite; a smaller {rate}?")

    def predict_log_proba(self, X: ArrayLike) -> Array:
        """Log probabilities of the classes, in the order of `classes_`: (n, n_classes) nats."""
        check_is_fitted(self, "net_")
        # In float64: in float32 the last digit would depend on where the cases lie in memory.
        own = (self.net_.weights, self.net_.biases)
        wide = Classifier(*(tuple(array.astype(np.float64) for array in part) for part in own))
        with self._computing():
            return recognition.log_probs(wide, self._data(X, first=False))

    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities of the classes, in the order of `classes_`: (n, n_classes)."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each case: (n,)."""
        guesses = self.predict_log_proba(X).argmax(axis=1)
        found: NDArray[Any] = self.classes_[guesses]
        return found
