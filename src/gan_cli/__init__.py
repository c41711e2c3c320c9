"""Generative adversarial nets (Goodfellow et al., 2014) as a command-line experiment runner.

In Python, `load` gives a run and what it trained:

    import gan_cli
    run = gan_cli.load("latest")
    images = run.sample(64, seed=0, weights="ema")
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gan_cli.runs.api import LoadedRun

__all__ = ["load"]


def load(run: str = "latest", outputs: str = "outputs", device: str = "auto") -> "LoadedRun":
    """Return a run by its directory, its name below `outputs`, or `latest`, with its networks.

    Raises UserError where there is none, or it has no whole checkpoint.
    """
    # PyTorch takes a second to import, which `gan --help` need not wait for.
    from gan_cli.runs.api import LoadedRun
    from gan_cli.runs.directory import find

    return LoadedRun(find(run, outputs), device)
