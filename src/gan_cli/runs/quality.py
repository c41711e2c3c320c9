"""What `gan evaluate` measures: samples of runs or of a file; and the files it writes."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig

from gan_cli.config.build import build_source
from gan_cli.data.source import Data, Source, Split
from gan_cli.errors import UserError
from gan_cli.files import make_directory, relative, write_atomically
from gan_cli.game.semi_supervised import classes
from gan_cli.metrics.features import feature_space
from gan_cli.metrics.inception import FILE, InceptionSpace
from gan_cli.metrics.quality import TITLES, Quality, Value, of_share
from gan_cli.metrics.views import Space
from gan_cli.networks.classifier import Classifier
from gan_cli.runs.environment import git_commit
from gan_cli.runs.load import Trained, load_alike, load_data, load_discriminator
from gan_cli.sampling.arrays import read_samples


class Sets(NamedTuple):
    """Sets of samples by name, each of some draws (n, C, H, W) in model space, and their data.

    Those of a conditional run have their labels. `trained` are the generators that drew them, in
    order, and `origin` says where they come from.
    """

    draws: dict[str, Sequence[Split]]
    source: Source
    data: Data
    trained: list[Trained]
    origin: dict[str, object]


def sets_of_runs(cfg: DictConfig, device: torch.device) -> Sets:
    """Draw the samples of `cfg.run`, or of each of `cfg.runs`, in sets with seeds from `cfg.seed`.

    Raises UserError where runs were trained on different data.
    """
    trained = load_alike(cfg, device)
    first = trained[0]
    draws: dict[str, Sequence[Split]] = {
        f"{relative(one.run.path)}, {one.weights}": [
            one.labelled(cfg.n, cfg.seed + i) for i in range(cfg.draws)
        ]
        for one in trained
    }
    data = load_data(cfg.data_dir, first.config)[0]
    paths = ", ".join(str(relative(one.run.path)) for one in trained)
    return Sets(draws, first.source, data, trained, {**first.origin(cfg.seed), "run": paths})


def set_of_file(cfg: DictConfig) -> Sets:
    """Read the samples of the file `cfg.samples`, of the data that `cfg.dataset` names.

    Raises UserError for a file that doesn't fit them, or whose images are all the same.
    """
    source = build_source(cfg)
    samples = read_samples(Path(cfg.samples), source)[: cfg.n]
    if (samples == samples[0]).all():
        raise UserError(f"samples is {cfg.samples}, whose images are all the same.")
    origin = {"samples": relative(cfg.samples), "command": " ".join(sys.argv)}
    return Sets({Path(cfg.samples).name: [Split(samples, None)]}, source, source.load(), [], origin)


def errors_on_test(sets: Sets, device: torch.device, checkpoint: str) -> dict[str, Value]:
    """Return the share of test images, in %, that D puts in a wrong class, where D classifies.

    By the names of sets of runs; of checkpoint `newest` or `best`. There is no average of D.
    """
    test, errors = sets.data.test, {}
    named = zip(sets.draws, sets.trained, strict=False)
    classify = {name: one for name, one in named if one.config.labels is not None}
    if not classify or test.y is None:
        return {}
    x = sets.source.to_model(test.x)
    for name, one in classify.items():
        discriminator, _ = load_discriminator(one.run, x[:1], device, checkpoint)
        assert isinstance(discriminator, Classifier)
        wrong = classes(discriminator, x.to(device)).cpu() != test.y
        p, error = of_share(wrong.double().mean().item(), len(x))
        errors[name] = Value(100 * p, 100 * error)
    return errors


def pick_space(cfg: DictConfig, source: Source, data: Data, device: torch.device) -> Space:
    """Return the feature space that `cfg` names, trained first if need be.

    Raises UserError where the weights of Inception are missing, or are others.
    """
    if cfg.path is not None:
        return InceptionSpace(Path(cfg.path), device)
    return feature_space(source, data, Path(cfg.outputs) / "cache")


def refuse_conflicts(cfg: DictConfig) -> None:
    """Raise UserError for settings of a `gan evaluate` config that don't go together."""
    if (cfg.samples is None) != (cfg.dataset is None):
        raise UserError(
            f"samples is {cfg.samples or 'null'} and dataset is "
            f"{'null' if cfg.dataset is None else 'given'}; samples=FILE takes dataset=NAME, and a "
            "run has its own data."
        )
    if (cfg.features == "inception") != (cfg.path is not None):
        raise UserError(
            f"features is {cfg.features} and path is {cfg.path}; features=inception takes "
            f"path=FILE, the published weights {FILE}: 91 MB, which don't ship with gan and are in "
            "the releases of torch-fidelity on GitHub."
        )


def record(trained: Trained, quality: Quality, row: str, settings: Mapping[str, Any]) -> None:
    """Write a row of `quality`, of this generator, into its run's directory for `gan report`.

    Raises UserError where that can't be done.
    """
    path = trained.run.quality_path(trained.weights)
    make_directory(path.parent, f"gan report needs {relative(path)}")
    seed, last = settings["seed"], settings["seed"] + settings["draws"] - 1
    seeds = f"seed {seed}" if seed == last else f"seeds {seed} to {last}"
    content = {
        "step": trained.step,
        "conditions": f"{quality.n[row]} samples ({seeds}) against {quality.n_reference} training "
        f"images, in {quality.space}",
        "metrics": _means(quality, row),
        "references": {
            title: _means(quality, title) for title in TITLES.values() if title in quality.rows
        },
        "git_commit": git_commit(),
        "settings": settings,
    }
    write_atomically(path, json.dumps(content, indent=2).encode())


def _means(quality: Quality, row: str) -> dict[str, float]:
    return {name: value.mean for name, value in quality.rows[row].items()}
