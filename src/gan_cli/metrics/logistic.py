"""Logistic regression on few labels, its regularisation chosen by cross-validation on them.

Features are expected to have a mean squared norm of about 1, for which the constants are.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

log = logging.getLogger(__name__)

# Of scikit-learn's C: the penalty on the weights is |w|^2 / (2 C).
GRID = [10.0**k for k in range(-1, 6)]
FOLDS = 5
# Labelled examples at most that choose C.
CHOOSING = 5000
# Of the largest derivative of the mean loss. Nearly all variance of D's last hidden layer is in one
# direction: at ten times as much it loses 8 points with 5000 labels of MNIST.
TOLERANCE = 1e-5
ITERATIONS = 200

Array = NDArray[np.float32]
Integers = NDArray[np.int64]


def choose_c(x: Array, y: Integers) -> float:
    """Return the C of GRID that classifies most of the features x (n, d) as their labels y (n,).

    By cross-validation on the first 5000, in 5 stratified folds or as many as the smallest class
    has examples; where it has one, C is the middle of the grid. Of equally good ones that with the
    least cross-entropy is chosen. y has all of 0 to classes - 1, in random order.
    """
    from sklearn.model_selection import StratifiedKFold

    x, y = x[:CHOOSING], y[:CHOOSING]
    folds = min(FOLDS, np.bincount(y).min())
    if folds == 1:
        return GRID[len(GRID) // 2]
    right, cross_entropy = np.zeros(len(GRID)), np.zeros(len(GRID))
    for fitted, held_out in StratifiedKFold(folds).split(x, y):
        for i, model in enumerate(_path(x[fitted], y[fitted], GRID)):
            p = model.predict_proba(x[held_out])
            right[i] += np.sum(p.argmax(1) == y[held_out])
            likelihood = p[np.arange(len(held_out)), y[held_out]]
            cross_entropy[i] -= np.log(likelihood.clip(1e-30)).sum()
    return GRID[np.lexsort((cross_entropy, -right))[0]]


def logistic_regression(x: Array, y: Integers, test: Array, c: float) -> Integers:
    """Return the classes (m,) of `test` (m, d) by multinomial logistic regression on x (n, d), y.

    c: the C, one of GRID. A fit that has not converged is logged.
    """
    *_, model = _path(x, y, [one for one in GRID if one <= c])
    if model.n_iter_.max() == ITERATIONS:
        log.warning(
            "Logistic regression on %d labels with C = %g has not converged in %d iterations; its "
            "accuracy is that of the last one.", len(y), c, ITERATIONS,
        )  # fmt: skip
    classes: Integers = model.predict(test)
    return classes


def _path(x: Array, y: Integers, grid: Sequence[float]) -> Iterator["LogisticRegression"]:
    """Yield the model fitted with each C, from that of the one before: it takes half the time."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # L-BFGS takes a thousand iterations for that layer.
    model = LogisticRegression(
        solver="newton-cg", tol=TOLERANCE, max_iter=ITERATIONS, warm_start=True
    )
    for c in grid:
        with warnings.catch_warnings():
            # To choose a C, what it comes to in that many iterations will do.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.set_params(C=c).fit(x, y)
        yield model
