"""A run in Python: its networks, settings, metrics, samples and data."""

from functools import cached_property

from omegaconf import DictConfig
from torch import Tensor, nn

from gan_cli.config.build import build_discriminator, build_source
from gan_cli.data.source import Data
from gan_cli.runs.directory import Run
from gan_cli.runs.load import Trained, load_weights
from gan_cli.training import checkpoints
from gan_cli.training.device import pick_device


class LoadedRun:
    """A run, whose networks are read from its newest checkpoint when they are asked for."""

    def __init__(self, run: Run, device: str = "auto") -> None:
        self.path, self._run, self._device = run.path, run, pick_device(device)

    def __repr__(self) -> str:
        return f"<run {self.path}, {self._run.status()}>"

    @property
    def config(self) -> DictConfig:
        """The resolved config. Raises UserError where it can't be read."""
        return self._run.config()

    @property
    def metrics(self) -> dict[str, list[float | None]]:
        """The columns of metrics.csv by name, None where a row has no value: `pandas.DataFrame`'s.

        Raises UserError for a damaged file.
        """
        rows = self._run.rows()
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}

    @property
    def generator(self) -> nn.Module:
        """G, in eval mode; its last layer's range is that of model space."""
        return self._trained["raw"].generator.eval()

    @cached_property
    def discriminator(self) -> nn.Module:
        """D, in eval mode, which maps images (m, C, H, W) in model space to logits (m,)."""
        data = self.data()
        images = self._trained["raw"].source.to_model(data.train.x[:8])
        discriminator = build_discriminator(self.config, images)
        saved = checkpoints.load_newest(self._run.checkpoints)["discriminator"]
        checkpoints.fit(discriminator, saved, self._run.checkpoints)
        return discriminator.to(self._device).eval()

    def sample(self, n: int, seed: int = 0, weights: str = "raw") -> Tensor:
        """Return samples as they are measured, images in [0, 1], (n, C, H, W) float32 on the CPU.

        Sample i depends on the seed and i alone. weights: `raw`, or `ema` for the average.
        """
        trained = self._trained[weights]
        return trained.source.to_measure(trained.samples(n, seed))

    def data(self) -> Data:
        """Return the data set, read anew: train, valid and test with `x`, uint8, and `y`."""
        return build_source(self.config).load()

    @cached_property
    def _trained(self) -> dict[str, Trained]:
        return load_weights(self._run, ["raw", "ema"], self._device)
