"""Evaluations of a run's generator or of a file of samples, and their files."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from gan_cli.config.build import build_source
from gan_cli.data.source import Data
from gan_cli.figures.sigma import plot_sigma
from gan_cli.files import relative
from gan_cli.metrics.evaluation import Evaluation, evaluate
from gan_cli.metrics.protocol import Protocol
from gan_cli.runs.directory import read_json
from gan_cli.runs.environment import git_commit
from gan_cli.runs.load import Trained
from gan_cli.runs.results import write_results
from gan_cli.sampling.arrays import read_samples
from gan_cli.training.device import pick_device

log = logging.getLogger(__name__)

# The settings on which the numbers of a kept evaluation depend.
SETTINGS = (
    "seed", "n_samples", "valid_limit", "test_limit", "centroids", "data_dir", "device", "threads"
)  # fmt: skip


def evaluate_run(
    cfg: DictConfig,
    trained: Trained,
    folds: Sequence[Data],
    references: Sequence[str],
    draws: int,
    refine: bool = False,
) -> Evaluation:
    """Evaluate a run's generator by the protocol of `cfg`, and the references beside it.

    draws: sets of samples, with the seeds cfg.seed, cfg.seed + 1, ...; those of a conditional run
    have as many of each class (Mirza and Osindero, 2014). Raises UserError as `evaluate` does.
    """
    sets = [trained.balanced(cfg.n_samples, cfg.seed + i) for i in range(draws)]
    return evaluate(
        f"generator, {trained.weights} weights", sets, trained.source, folds, trained.device,
        _protocol(cfg), references, _cache(cfg), refine,
    )  # fmt: skip


def evaluate_file(cfg: DictConfig) -> Evaluation:
    """Evaluate the samples in the file `cfg.samples` on the data that `cfg.dataset` names.

    Raises UserError for a file that doesn't fit them, and as `evaluate` does.
    """
    device, path, source = pick_device(cfg.device), Path(cfg.samples), build_source(cfg)
    folds = source.folds()  # The shape of one's own pictures is known only then.
    samples = read_samples(path, source)[: cfg.n_samples]
    return evaluate(
        path.name, [samples], source, folds, device, _protocol(cfg), cfg.references, _cache(cfg),
        cfg.refine,
    )  # fmt: skip


def record(
    out: Path,
    evaluation: Evaluation,
    settings: Mapping[str, Any],
    origin: Mapping[str, object],
    trained: Trained | None,
) -> None:
    """Log an evaluation and write parzen.json and parzen.png to `out`.

    trained: the generator that was evaluated, None for a file of samples. origin: where the samples
    come from. Raises UserError where the files can't be written.
    """
    labels = None
    if trained is not None and trained.classes.names:
        labels = "in equal numbers, as in Mirza and Osindero (2014)"
        log.info("The samples are of %d classes %s.", len(trained.classes.names), labels)
    log.info(
        "Parzen windows of %d samples, seed %d; sigma chosen out of %d on %d validation points; "
        "log-likelihoods in nats.",
        evaluation.n_samples, settings["seed"], len(evaluation.sigmas), evaluation.n_valid,
    )  # fmt: skip
    for line in evaluation.table():
        log.info("%s", line)
    for name, row in evaluation.rows.items():
        if row.at_edge:
            log.warning(
                "The best sigma of %s is at the edge of the grid: the true best may lie outside; "
                "widen sigmas.", name,
            )  # fmt: skip
    content = {
        **evaluation.content(),
        "seed": settings["seed"],
        "weights": None if trained is None else trained.weights,
        "labels": labels,
    }
    path = out / "parzen.json"
    curves = {name: row.validation for name, row in evaluation.rows.items()}
    write_results(path, content, plot_sigma(evaluation.sigmas, curves), origin, settings)
    log.info("Results: %s and parzen.png beside it.", relative(path))


def evaluated(
    cfg: DictConfig,
    trained: Trained,
    folds: Sequence[Data],
    references: Sequence[str] = (),
    draws: int = 1,
) -> dict[str, Any]:
    """Return the content of a run's parzen.json, evaluating its generator unless that is done.

    The file is used again where it has the same settings of `cfg`, step and commit. draws: sets of
    samples, with the seeds cfg.seed, cfg.seed + 1, ... Raises UserError as `evaluate` and `record`
    do.
    """
    settings = {
        **{key: cfg[key] for key in SETTINGS},
        "sigmas": list(cfg.sigmas),
        "weights": trained.weights,
        "references": list(references),
        "draws": draws,
    }
    name = f"weights={trained.weights}-references=[{','.join(references)}]"
    directory = trained.run.evaluation(name if draws == 1 else f"{name}-draws={draws}")
    known = read_json(directory / "parzen.json", dict)
    same = (known.get("settings"), known.get("git_commit")) == (settings, git_commit())
    if same and known["origin"]["step"] == str(trained.step):
        return known
    directory.mkdir(parents=True, exist_ok=True)
    evaluation = evaluate_run(cfg, trained, folds, references, draws)
    record(directory, evaluation, settings, trained.origin(cfg.seed), trained)
    return read_json(directory / "parzen.json", dict)


def _protocol(cfg: DictConfig) -> Protocol:
    return Protocol(**{field.name: cfg[field.name] for field in fields(Protocol)})


def _cache(cfg: DictConfig) -> Path:
    return Path(cfg.outputs) / "cache"
