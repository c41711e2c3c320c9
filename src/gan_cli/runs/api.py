"""A run in Python: its networks, settings, metrics, samples and data."""

from functools import cached_property
from typing import TYPE_CHECKING, Literal, Union

from omegaconf import DictConfig
from torch import Tensor, nn

from gan_cli.config.build import build_source
from gan_cli.data.source import Data
from gan_cli.errors import UserError
from gan_cli.runs import own_modules
from gan_cli.runs.directory import Run
from gan_cli.runs.load import Trained, load_discriminator, load_weights
from gan_cli.sampling.samples import draw_z
from gan_cli.training.device import pick_device

if TYPE_CHECKING:
    from pandas import DataFrame

Columns = dict[str, list[float | None]]


class LoadedRun:
    """A run, whose networks are read from its newest checkpoint when they are asked for.

    `path` is its directory, and `device` where its networks are.
    """

    def __init__(self, run: Run, device: str = "auto") -> None:
        self.path, self._run, self.device = run.path, run, pick_device(device)

    def __repr__(self) -> str:
        return f"<run {self.path}, {self._run.status()}>"

    @property
    def config(self) -> DictConfig:
        """The resolved config. Raises UserError where it can't be read."""
        return self._run.config()

    @property
    def metrics(self) -> Union["DataFrame", Columns]:
        """metrics.csv as a pandas.DataFrame; without pandas, lists of its columns by their names.

        Where a row has no value it is NaN, or None in a list. Raises UserError for a damaged file.
        """
        rows = self._run.rows()
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {name: [row.get(name) for row in rows] for name in names}
        try:
            from pandas import DataFrame
        except ImportError:
            return columns
        return DataFrame(columns)

    @property
    def generator(self) -> nn.Module:
        """G, in eval mode, which maps z (m, prior.dim) to images (m, C, H, W) in model space.

        That of a conditional run takes labels (m,) as well, and so does D.
        """
        return self._trained["raw"].generator.eval()

    @property
    def average(self) -> nn.Module:
        """The average of G's weights as a generator, in eval mode; `weights="ema"` samples it."""
        return self._trained["ema"].generator.eval()

    @cached_property
    def discriminator(self) -> nn.Module:
        """D, in eval mode, which maps images (m, C, H, W) in model space to logits (m,)."""
        images = self._trained["raw"].source.to_model(self.data().train.x[:8])
        return load_discriminator(self._run, images, self.device)[0]

    def z(self, n: int, seed: int = 0) -> Tensor:
        """Draw z (n, prior.dim) from the run's prior, on `device`: those of `sample(n, seed)`.

        z_i depends on the seed and i alone. Raises UserError for n < 1.
        """
        _at_least_1(n)
        return draw_z(self._trained["raw"].prior, n, seed).to(self.device)

    @property
    def classes(self) -> list[str]:
        """The names of a conditional run's classes, in the order of their labels."""
        return self._trained["raw"].classes.names

    def sample(
        self,
        n: int,
        seed: int = 0,
        weights: Literal["raw", "ema"] = "raw",
        label: int | str | None = None,
    ) -> Tensor:
        """Return samples to look at, images (n, C, H, W) in [0, 1], float32 on the CPU.

        Sample i depends on the seed and i alone. weights: `raw`, or `ema` for the average. Points
        (n, 2, 1, 1) of a data set of points are as they are. label: of a conditional run, the class
        of all, by its number or name; None draws labels as the data's. Raises UserError for n < 1,
        for other weights and for a class that there is not.
        """
        _at_least_1(n)
        if weights not in self._trained:
            raise UserError(f"weights is {weights}; it must be raw or ema.")
        trained = self._trained[weights]
        return trained.source.to_unit(trained.samples(n, seed, label))

    def data(self) -> Data:
        """Return the data set, read anew: train, valid and test with `x`, uint8, and `y`."""
        own_modules.look_where_trained(self._run)
        return build_source(self.config).load()

    @cached_property
    def _trained(self) -> dict[str, Trained]:
        return load_weights(self._run, ["raw", "ema"], self.device)


def _at_least_1(n: int) -> None:
    if n < 1:
        raise UserError(f"n is {n}; it must be at least 1.")
