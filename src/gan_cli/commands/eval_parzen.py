"""`gan eval-parzen`: log-likelihood by a Parzen window, and what it is worth."""

import dataclasses
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from gan_cli.config.build import build_source
from gan_cli.data.source import Data
from gan_cli.errors import UserError
from gan_cli.figures.sigma import plot_sigma
from gan_cli.files import relative, write_atomically
from gan_cli.metrics.protocol import Fold, Score, score
from gan_cli.metrics.references import TABLE_1, centroids, training_images
from gan_cli.runs.environment import git_commit
from gan_cli.runs.load import load_data, load_trained
from gan_cli.sampling.arrays import read_samples
from gan_cli.training.device import pick_device

log = logging.getLogger(__name__)


def run(cfg: DictConfig, out: Path) -> None:
    """Score a run's generator, or the samples of a file, and the references beside it."""
    device = pick_device(cfg.device)
    if cfg.threads:
        torch.set_num_threads(cfg.threads)

    # The data to score on, and the sample sets, one for each draw.
    if cfg.samples is None:
        if cfg.dataset is not None:
            raise UserError(
                "dataset is given and samples is null; a run is scored on the data that it was "
                "trained with, and samples=FILE on those that dataset names."
            )
        trained = load_trained(cfg)
        source, folds = trained.source, load_data(cfg, trained)
        draws = [trained.samples(cfg.n_samples, cfg.seed + i) for i in range(cfg.draws)]
        origin = {k: str(v) for k, v in trained.origin(cfg.seed).items()}
        model = f"generator, {cfg.weights} weights"
    else:
        if cfg.dataset is None or cfg.draws != 1:
            raise UserError(
                f"samples is {cfg.samples}, so dataset=... must name what they are samples of, and "
                "draws must be 1."
            )
        if cfg.run != "latest":
            raise UserError(
                f"run is {cfg.run} and samples is {cfg.samples}; one of them is scored at a time, "
                "so the other must be left out."
            )
        source = build_source(cfg)
        folds = source.folds()  # The shape of one's own pictures is known only then.
        draws = [read_samples(Path(cfg.samples), source)[: cfg.n_samples]]
        origin = {"samples": str(relative(cfg.samples)), "command": " ".join(sys.argv)}
        model = Path(cfg.samples).name
    measure = _Measure(cfg, source, folds, device)

    scores = [measure(draw) for draw in draws]
    rows = {model: scores[0], **dict(_references(cfg, source, folds, measure))}
    log.info(
        "Windows of %d samples, seed %d; sigma out of %d by %d validation points; nats.",
        len(draws[0]), cfg.seed, len(cfg.sigmas), len(measure.folds[0].valid),
    )  # fmt: skip
    lines = list(_table(rows, TABLE_1.get(source.name, {})))
    if len(scores) > 1:
        values = torch.tensor([s.estimate.log_likelihood for s in scores])
        lines.append(
            f"Over {len(scores)} draws: mean {values.mean():.2f}, standard deviation "
            f"{values.std():.2f}, from {values.min():.2f} to {values.max():.2f}."
        )
    for line in lines:
        log.info("%s", line)
    for name, row in rows.items():
        if row.at_edge:
            log.warning(
                "The best sigma of %s is at the edge of the grid: the true best may lie outside; "
                "widen sigmas.", name,
            )  # fmt: skip

    content = {
        **_json(scores[0]),
        "seed": cfg.seed,
        "weights": None if cfg.samples else cfg.weights,
        "n_samples": len(draws[0]),
        "n_valid": len(measure.folds[0].valid),
        "draws": [_json(s) for s in scores],
        "references": {name: _json(s) for name, s in rows.items() if name != model},
        "quoted": TABLE_1.get(source.name, {}),
        "origin": origin,
        "git_commit": git_commit(),
        "settings": OmegaConf.to_container(cfg, resolve=True),
    }
    write_atomically(out / "parzen.json", json.dumps(content, indent=2).encode())
    curves = {name: row.validation for name, row in rows.items()}
    plot_sigma(out / "parzen.png", measure.sigmas, curves, origin)
    log.info("Results: %s and parzen.png beside it.", relative(out / "parzen.json"))


class _Measure:
    """The protocol with its settings, on the data's folds, in the space that the paper measures."""

    def __init__(self, cfg: DictConfig, source: Any, folds: list[Data], device: torch.device):
        self.cfg, self.source, self.device = cfg, source, device
        self.sigmas = sorted(cfg.sigmas)
        self.folds = [
            Fold(
                self._points(fold.valid.x[: cfg.valid_limit]),
                self._points(fold.test.x[: cfg.test_limit]),
            )
            for fold in folds
        ]
        if min(len(fold.test) for fold in self.folds) < 2:
            raise UserError("The data have fewer than 2 test images; an error takes at least 2.")

    def _points(self, x: Tensor) -> Tensor:
        return self.source.to_measure(self.source.to_model(x)).to(self.device)

    def __call__(self, samples: Tensor) -> Score:
        """Score samples (n, ...) in model space."""
        points = self.source.to_measure(samples).to(self.device)
        return score(points, self.folds, self.sigmas, self.cfg.refine)


def _references(
    cfg: DictConfig, source: Any, folds: list[Data], measure: _Measure
) -> Iterator[tuple[str, Score]]:
    train = source.to_model(folds[0].train.x)
    if "train" in cfg.references:
        chosen = training_images(train, cfg.n_samples, cfg.seed)
        yield f"{len(chosen)} training images", measure(chosen)
    if "kmeans" in cfg.references:
        chosen = centroids(train, cfg.centroids, cfg.seed, Path(cfg.outputs) / "cache")
        yield f"{len(chosen)} k-means centroids", measure(chosen)


def _table(rows: dict[str, Score], quoted: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    yield f"{'model':<34} {'log-likelihood':>18} {'sigma':>8} {'test points':>12}"
    for name, row in rows.items():
        yield _line(name, row.estimate, row.folds)
        if row.refined is not None:
            yield _line("  with sigma refined", row.refined, row.folds)
    for name, (value, error) in quoted.items():
        yield f"{name + ' (quoted, Table 1)':<34} {f'{value:g} +- {error:g}':>18}"


def _line(name: str, estimate: Any, folds: int) -> str:
    value = f"{estimate.log_likelihood:.1f} +- {estimate.standard_error:.1f}"
    n = f"{estimate.n}" if folds == 1 else f"{estimate.n} in {folds}"
    return f"{name:<34} {value:>18} {estimate.sigma:>8.4f} {n:>12}"


def _json(row: Score) -> dict[str, Any]:
    rest = {k: v for k, v in dataclasses.asdict(row).items() if k not in ("estimate", "refined")}
    refined = row.refined._asdict() if row.refined else None
    return {**row.estimate._asdict(), **rest, "refined": refined}
