"""Logistic regression: against scikit-learn's grid search, and where it is hard to fit."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from gan_cli.metrics import logistic
from gan_cli.metrics.logistic import GRID, choose_c, logistic_regression


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    x -= x.mean(0)
    return (x / np.sqrt((x**2).sum(1).mean())).astype(np.float32), y


def test_c_is_what_a_grid_search_finds(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits[0][:200], digits[1][:200]
    search = GridSearchCV(
        LogisticRegression(tol=1e-6, max_iter=10_000), {"C": GRID}, cv=StratifiedKFold(5)
    ).fit(x, y)
    scores = search.cv_results_["mean_test_score"]
    assert (scores == scores.max()).sum() == 1
    assert choose_c(x, y) == search.best_params_["C"]


def test_one_example_a_class_leaves_the_middle_of_the_grid() -> None:
    x = np.eye(3, dtype=np.float32)
    assert choose_c(x, np.array([2, 0, 1])) == GRID[3]
    assert (logistic_regression(x, np.array([2, 0, 1]), x, GRID[3]) == [2, 0, 1]).all()


def test_only_the_first_examples_choose(
    digits: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = digits
    monkeypatch.setattr(logistic, "CHOOSING", 100)
    assert choose_c(x[:150], y[:150]) == choose_c(x[:100], y[:100])


def test_a_class_in_a_direction_with_little_variance_is_found() -> None:
    """As in D's last hidden layer, nearly all of whose variance is in real against generated."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 400)
    large = rng.normal(size=(400, 1))
    small = 0.003 * (np.eye(4)[y] + 0.2 * rng.normal(size=(400, 4)))
    x = np.hstack([large, small]).astype(np.float32)
    c = choose_c(x[:200], y[:200])
    assert c >= 1e4
    predicted = logistic_regression(x[:200], y[:200], x[200:], c)
    assert (predicted == y[200:]).mean() > 0.97


def test_what_has_not_converged_is_logged(
    digits: tuple[np.ndarray, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    x, y = digits[0][:50], digits[1][:50]
    logistic_regression(x, y, x, 10.0)
    assert not caplog.messages
    monkeypatch.setattr(logistic, "ITERATIONS", 2)
    logistic_regression(x, y, x, 10.0)
    assert "on 50 labels with C = 10 has not converged in 2 iterations" in caplog.text
