"""The evaluation of a model by log-likelihood: its samples and the references, by one protocol."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_cli.data.source import Data, Source
from gan_cli.errors import UserError
from gan_cli.metrics.protocol import Estimate, Fold, Protocol, Score, score
from gan_cli.metrics.references import TABLE_1, centroids, training_images


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model named `model`, one for each draw of samples, and of the references.

    `n_samples` is the size of the window, `n_valid` how many points chose sigma, out of `sigmas`;
    `quoted` has the paper's values for these data, with their standard errors, in nats.
    """

    model: str
    draws: list[Score]
    references: dict[str, Score]
    quoted: Mapping[str, tuple[float, float]]
    sigmas: list[float]
    n_samples: int
    n_valid: int

    @property
    def rows(self) -> dict[str, Score]:
        """The scores by name: the model's first draw, then the references."""
        return {self.model: self.draws[0], **self.references}

    def table(self) -> Iterator[str]:
        """Yield the scores as lines of text, in nats, and the spread over draws."""
        yield f"{'model':<34} {'log-likelihood':>18} {'sigma':>8} {'test points':>12}"
        for name, row in self.rows.items():
            yield _line(name, row, row.folds)
            if row.refined is not None:
                yield _line("  with sigma refined", row.refined, row.folds)
        for name, (value, error) in self.quoted.items():
            yield f"{name + ' (quoted, Table 1)':<34} {f'{value:g} +- {error:g}':>18}"
        if len(self.draws) > 1:
            values = torch.tensor([draw.log_likelihood for draw in self.draws])
            yield (
                f"Over {len(values)} draws: mean {values.mean():.2f}, standard deviation "
                f"{values.std():.2f}, from {values.min():.2f} to {values.max():.2f}."
            )

    def content(self) -> dict[str, Any]:
        """Return the numbers for JSON; those of the first draw stand at the top."""
        return {
            **asdict(self.draws[0]),
            "n_samples": self.n_samples,
            "n_valid": self.n_valid,
            "draws": [asdict(draw) for draw in self.draws],
            "references": {name: asdict(row) for name, row in self.references.items()},
            "quoted": self.quoted,
        }


def evaluate(
    model: str,
    draws: Sequence[Tensor],
    source: Source,
    folds: Sequence[Data],
    device: torch.device,
    protocol: Protocol,
    references: Sequence[str],
    cache: Path,
    refine: bool = False,
) -> Evaluation:
    """Score the draws of a model, and the references, on every fold, on `device`.

    draws: samples (n, C, H, W) in model space, one set for each draw. references: `train`, as many
    training images as there are samples, and `kmeans`, centroids of them, cached in the directory
    `cache`; both depend on the seed. refine: also search sigma between those of the grid. Raises
    UserError where a fold has fewer than 2 test images.
    """

    def points(x: Tensor) -> Tensor:
        return source.to_measure(x).to(device)

    def score_of(samples: Tensor) -> Score:
        return score(points(samples), measured, grid, refine)

    grid = sorted(protocol.sigmas)
    measured = [
        Fold(
            points(source.to_model(fold.valid.x[: protocol.valid_limit])),
            points(source.to_model(fold.test.x[: protocol.test_limit])),
        )
        for fold in folds
    ]
    if min(len(fold.test) for fold in measured) < 2:
        raise UserError(
            "The data have fewer than 2 test images; a standard error needs at least 2."
        )
    scores = [score_of(draw) for draw in draws]
    named: dict[str, Score] = {}
    if references:
        train = source.to_model(folds[0].train.x)
        if "train" in references:
            images = training_images(train, protocol.n_samples, protocol.seed)
            named[f"{len(images)} training images"] = score_of(images)
        if "kmeans" in references:
            centers = centroids(train, protocol.centroids, protocol.seed, cache)
            named[f"{len(centers)} k-means centroids"] = score_of(centers)
    quoted = TABLE_1.get(source.name, {})
    return Evaluation(model, scores, named, quoted, grid, len(draws[0]), len(measured[0].valid))


def _line(name: str, estimate: Estimate, folds: int) -> str:
    value = f"{estimate.log_likelihood:.1f} +- {estimate.standard_error:.1f}"
    n = f"{estimate.n}" if folds == 1 else f"{estimate.n} in {folds}"
    return f"{name:<34} {value:>18} {estimate.sigma:>8.4f} {n:>12}"
