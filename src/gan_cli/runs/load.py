"""A run's generator, for the commands that read one."""

import copy
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from gan_cli.config.build import build_generator, build_source
from gan_cli.config.differences import differences
from gan_cli.config.instantiate import build
from gan_cli.data.source import Data, Source
from gan_cli.errors import UserError
from gan_cli.files import relative
from gan_cli.game.conditions import Condition
from gan_cli.game.priors import Prior
from gan_cli.metrics.references import training_images
from gan_cli.runs import directory as runs
from gan_cli.runs import own_modules, sweeps
from gan_cli.runs.collect import find
from gan_cli.sampling.arrays import write_samples
from gan_cli.sampling.classes import Classes
from gan_cli.sampling.samples import draw_z, generate, sample_blocks
from gan_cli.training import checkpoints
from gan_cli.training.averaging import current_average
from gan_cli.training.device import pick_device

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A trained generator on its device, with the prior and the data that it was trained with."""

    run: runs.Run
    config: DictConfig
    source: Source
    prior: Prior
    classes: Classes
    generator: nn.Module
    device: torch.device
    step: int
    weights: str

    def condition(self, n: int, seed: int, label: int | str | None = None) -> Condition:
        """Return the condition of samples 0 .. n-1 of `seed`: of a class, or drawn as the data's.

        That of an unconditional run is (). Raises UserError for a class that there is not.
        """
        if label is None:
            return self.classes.drawn(n, seed)
        return (torch.full((n,), self.classes.number(label)),)

    def samples(self, n: int, seed: int, label: int | str | None = None) -> Tensor:
        """Return samples 0 .. n-1 of `seed` in model space, (n, C, H, W) on the CPU.

        label: their class, by its number or name; otherwise labels are drawn as the data's.
        """
        z, c = draw_z(self.prior, n, seed), self.condition(n, seed, label)
        return generate(self.generator, z, seed, self.device, c)

    def save(
        self, save: str, n: int, seed: int, labels: Sequence[int | str | None] = (None,)
    ) -> None:
        """Write what `samples` returns of each of `labels`, one after the other, to a .npy file.

        save: its path. Memory need not hold them.
        """
        path = Path(f"{save.removesuffix('.npy')}.npy")
        shape = (n * len(labels), *self.source.shape)
        conditions = (self.condition(n, seed, label) for label in labels)
        blocks = (
            sample_blocks(self.generator, self.prior, n, seed, self.device, c) for c in conditions
        )
        write_samples(path, chain.from_iterable(blocks), shape)
        log.info("Samples %s of float32: %s", shape, relative(path))

    def training_images(
        self, n: int, seed: int, data_dir: str, label: int | str | None = None
    ) -> Tensor:
        """Return n of the images that G was trained on, in model space, (n, C, H, W).

        `seed` draws them, none twice, out of those of a class or of all: all where there are fewer.
        """
        train = load_data(data_dir, self)[0].train
        if label is not None and train.y is not None:
            train = train.take(train.y == self.classes.number(label))
        return self.source.to_model(training_images(train.x, n, seed))

    def images(self, z: Tensor, seed: int, label: int | str | None = None) -> Tensor:
        """Return G's images for z (a, b, dim), in model space, (a, b, C, H, W) on the CPU.

        label: their class, by its number or name; otherwise each of the b has one, as the data's.
        """
        a, b = z.shape[:2]
        c = [y.expand(a, b).flatten() for y in self.condition(b, seed, label)]
        return generate(self.generator, z.flatten(0, 1), seed, self.device, c).unflatten(0, (a, b))

    def mixtures(self, z: Tensor, weights: Tensor, seed: int) -> Tensor:
        """Return images for z (b, dim) by weights of the classes (a, classes), (a, b, C, H, W).

        Raises UserError for a G that takes labels alone.
        """
        a, b = len(weights), len(z)
        z, c = z.repeat(a, 1), [weights.repeat_interleave(b, 0)]
        try:
            return generate(self.generator, z, seed, self.device, c).unflatten(0, (a, b))
        except (IndexError, RuntimeError, TypeError) as error:
            if "allocate" in str(error):  # explain_out_of_memory has a sentence for it
                raise
            raise UserError(
                "label is a list, but network.generator can't take what lies between classes "
                f"({str(error).splitlines()[0]}); its forward(z, y) must take weights of the "
                "classes, float (m, classes), as well as labels."
            ) from error

    def origin(self, seed: int) -> dict[str, object]:
        """Return where samples come from, for the metadata of a picture."""
        return {
            "run": relative(self.run.path),
            "step": self.step,
            "weights": self.weights,
            "seed": seed,
            "command": " ".join(sys.argv),
        }


def load_data(data_dir: str, trained: Trained) -> list[Data]:
    """Return the folds of a run's data, read from `data_dir` if that is a directory."""
    config = trained.config
    if "data_dir" in config.dataset and Path(data_dir).is_dir():
        config = config.copy()
        config.dataset.data_dir = data_dir
    folds: list[Data] = build_source(config).folds()
    return folds


def load_trained(cfg: DictConfig) -> Trained:
    """Return the generator of `cfg.run`, with the weights that `cfg` chooses.

    Raises UserError where there is no such run or no whole checkpoint.
    """
    device = pick_device(cfg.device)
    run = runs.find(cfg.run, cfg.outputs)
    return load_weights(run, [cfg.weights], device, cfg.checkpoint)[cfg.weights]


def load_alike(cfg: DictConfig, device: torch.device) -> list[Trained]:
    """Return the generators of a sweep, of `cfg.runs` or of `cfg.run`, with the weights of `cfg`.

    Raises UserError as `load_trained` does, where no run of a sweep is finished, and where they
    were trained on different data.
    """
    sweep = sweeps.named()
    if sweep is None and cfg.runs is None:
        found = [runs.find(cfg.run, cfg.outputs, "run")]
    else:
        jobs, _ = find(cfg)
        found = [runs.Run(j.path) for j in jobs if sweep is None or j.status == "finished"]
    if not found:
        raise UserError(f"sweep is {sweep}, none of whose runs is finished.")
    trained = [
        load_weights(run, [cfg.weights], device, cfg.checkpoint)[cfg.weights] for run in found
    ]
    first = trained[0]
    for other in trained[1:]:
        pair = (first.config.dataset, other.config.dataset)
        if different := differences(*pair, ("data_dir", "cache"), ("in one", "in the other")):
            raise UserError(
                f"{first.run.path.name} and {other.run.path.name} were trained on different data "
                f"({'; '.join(different)}); a table is of runs on the same."
            )
    return trained


def load_weights(
    run: runs.Run, weights: Sequence[str], device: torch.device, checkpoint: str = "newest"
) -> dict[str, Trained]:
    """Return the generator of a run on `device`, by its weights `raw` and `ema`, from one reading.

    checkpoint: `newest` or `best`. Raises UserError where there is no whole one.
    """
    own_modules.look_where_trained(run)
    # Which generator it is, is in the run's own config.
    config = run.config()
    saved = checkpoints.load_chosen(run.checkpoints, checkpoint)
    source, prior = build_source(config), build(config, "prior")
    classes = Classes(run.classes())
    raw = build_generator(config, source)
    checkpoints.fit(raw, saved["generator"], run.checkpoints)
    generators = {"raw": raw}
    if "ema" in weights:
        average = copy.deepcopy(raw)
        checkpoints.fit(average, saved["average"], run.checkpoints)
        generators["ema"] = current_average(
            average, raw, saved["step"], config.ema_decay, config.ema_power
        )
    log.info(
        "Run %s, %s, step %d, %s weights.",
        relative(run.path), run.status(), saved["step"], " and ".join(weights),
    )  # fmt: skip
    return {
        name: Trained(
            run, config, source, prior, classes, generators[name].to(device), device,
            saved["step"], name,
        )
        for name in weights
    }  # fmt: skip
