"""What features are worth when labels are few: classifiers of them, beside those of references.

Logistic regression on features is a linear probe (Alain and Bengio, 2017). That D's features help
where labels are few is the fourth extension of the paper's section 7.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from gan_cli.data.labels import labelled_rows
from gan_cli.metrics.logistic import GRID, choose_c, logistic_regression
from gan_cli.metrics.neighbors import nearest
from gan_cli.metrics.paired import can_differ, compare
from gan_cli.metrics.summary import summarise
from gan_cli.rng import stream, stream_seed

log = logging.getLogger(__name__)

LOGISTIC, NEAREST = CLASSIFIERS = ("logistic regression", "1-NN")


class Features(NamedTuple):
    """Features of all training images (N, d) and of the test images (n, d), float32."""

    train: Tensor
    test: Tensor

    @property
    def size(self) -> int:
        """How many features there are."""
        return self.train.shape[1]

    def first(self, n: int) -> "Features":
        """Return the first n features."""
        return Features(self.train[:, :n], self.test[:, :n])

    def normalised(self) -> "Features":
        """Return them with a mean of 0 and a mean squared norm of 1 over the training images.

        All are divided by the same number: with one each, the last principal components would count
        as much as the first, and pixels at the edge as much as strokes.
        """
        mean = self.train.mean(0)
        scale = (self.train - mean).square().sum(1).mean().sqrt()
        scale = torch.where(scale > 0, scale, 1)
        return Features((self.train - mean) / scale, (self.test - mean) / scale)


class References(NamedTuple):
    """The names of the features that learned ones are compared with, None where there are none.

    `untrained` are those of the same layer before training, and `pca` as many principal components.
    """

    untrained: str | None
    pca: str | None
    pixels: str


@dataclass(frozen=True)
class Score:
    """How well features serve: `accuracies` in % of n_test images, one for each draw of labels.

    `c` are the values that cross-validation chose, none for a classifier without.
    """

    classifier: str
    features: str
    labels: int
    n_test: int
    accuracies: list[float]
    c: list[float]

    @property
    def mean(self) -> float:
        """The mean accuracy over draws."""
        return summarise(self.accuracies).mean

    @property
    def standard_error(self) -> float:
        """Over draws; of a single draw that of a proportion, over test images."""
        summary, p = summarise(self.accuracies), self.mean / 100
        if summary.n > 1:
            return summary.standard_error
        return 100 * math.sqrt(p * (1 - p) / self.n_test)


@dataclass(frozen=True)
class Difference:
    """Accuracies of learned `features` less those of a reference on the same draws, in points."""

    labels: int
    classifier: str
    features: str
    reference: str
    values: list[float]

    @property
    def conclusion(self) -> Literal["better", "worse", "no difference shown", "not tested"]:
        """What the signed-rank test shows, for which fewer than six draws don't do."""
        if not can_differ(len(self.values)):
            return "not tested"
        sign = compare(self.values).sign
        return "better" if sign > 0 else "worse" if sign < 0 else "no difference shown"


@dataclass(frozen=True)
class Probe:
    """All scores, and the `references` of each of the learned features."""

    scores: list[Score]
    references: Mapping[str, References]

    @property
    def labels(self) -> list[int]:
        """The numbers of labels, the least first."""
        return sorted({one.labels for one in self.scores})

    def differences(self) -> list[Difference]:
        """Return the learned features less each of their references."""
        found = {(s.labels, s.classifier, s.features): s.accuracies for s in self.scores}
        return [
            Difference(n, classifier, name, kind, [
                a - b
                for a, b in zip(
                    found[n, classifier, name], found[n, classifier, reference], strict=True
                )
            ])
            for n in self.labels
            for classifier in CLASSIFIERS
            for name, references in self.references.items()
            for kind, reference in references._asdict().items()
            if reference is not None
        ]  # fmt: skip

    def content(self) -> dict[str, object]:
        """Return the numbers for JSON."""
        return {
            "scores": [
                {
                    **asdict(one),
                    "mean": one.mean,
                    "standard_error": one.standard_error,
                    "standard_error_over": "draws" if len(one.accuracies) > 1 else "test images",
                    "draws": len(one.accuracies),
                }
                for one in self.scores
            ],
            "differences": [
                {
                    **asdict(one),
                    "mean": summarise(one.values).mean,
                    "standard_error": summarise(one.values).standard_error
                    if len(one.values) > 1
                    else None,
                    "p": compare(one.values).p,
                    "conclusion": one.conclusion,
                }
                for one in self.differences()
            ],
            "grid_of_c": GRID,
        }


def principal_components(pixels: Features, n: int, seed: int) -> Features:
    """Return the first n principal components of the training images, fewer than they and pixels.

    scikit-learn chooses the algorithm by their number; `seed` is for the random one.
    """
    from sklearn.decomposition import PCA

    pca = PCA(n, random_state=stream_seed(seed, "PCA") % 2**32).fit(pixels.train.cpu().numpy())
    return Features(
        *(torch.from_numpy(pca.transform(x.cpu().numpy())).to(x.device) for x in pixels)
    )


def draw_labelled(
    y: Tensor, labels: Sequence[int | Literal["all"]], draws: int, seed: int
) -> dict[int, list[Tensor]]:
    """Return, by numbers n of labels, the places (n,) of labelled ones in y (N,) in each draw.

    Draw i of few is part of draw i of more. Of all labels there is one draw. Raises UserError for a
    number of labels that there can't be.
    """
    numbers = sorted({len(y) if n == "all" else n for n in labels})
    return {
        n: [
            labelled_rows(y, n, stream(seed, "labels", i))
            for i in range(draws if n < len(y) else 1)
        ]
        for n in numbers
    }


def probe(
    features: Mapping[str, Features],
    y: Tensor,
    y_test: Tensor,
    drawn: Mapping[int, Sequence[Tensor]],
    references: Mapping[str, References],
) -> Probe:
    """Classify the test images by each of the features, with the labels of each draw.

    y (N,) and y_test (n,) are int64, and `drawn` are the places of labelled ones in y, the same for
    all features and classifiers. `references` are those of the learned features. NumPy has as many
    threads as PyTorch.
    """
    scores: list[Score] = []
    with threadpool_limits(torch.get_num_threads(), "blas"):
        for name, given in features.items():
            train, test = given.normalised()
            for n, draws in drawn.items():
                of_logistic = Score(LOGISTIC, name, n, len(y_test), [], [])
                of_nearest = Score(NEAREST, name, n, len(y_test), [], [])
                for rows in draws:
                    x, labels = train[rows.to(train.device)], y[rows]
                    array, known = x.cpu().numpy(), labels.numpy()
                    c = choose_c(array, known)
                    predicted = logistic_regression(array, known, test.cpu().numpy(), c)
                    of_logistic.accuracies.append(_accuracy(torch.from_numpy(predicted), y_test))
                    of_logistic.c.append(c)
                    _, index = nearest(test, x)
                    of_nearest.accuracies.append(_accuracy(labels[index.cpu()], y_test))
                scores += [of_logistic, of_nearest]
                log.info(
                    "%s, %d labels: %s %.1f %%, %s %.1f %%",
                    name, n, LOGISTIC, of_logistic.mean, NEAREST, of_nearest.mean,
                )  # fmt: skip
    return Probe(scores, references)


def _accuracy(predicted: Tensor, truth: Tensor) -> float:
    return 100 * (predicted == truth).double().mean().item()
