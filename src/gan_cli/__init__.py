"""Generative adversarial nets (Goodfellow et al., 2014) as a command-line experiment runner.

In Python, `train` trains a run, and `load` gives one and what it trained:

    import gan_cli
    run = gan_cli.train(["schedule.steps=300", "seed=1"])
    run = gan_cli.load("latest")
    images = run.sample(64, seed=0, weights="ema")
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gan_cli.runs.api import LoadedRun

__all__ = ["__version__", "load", "train"]
__version__ = version("gan-cli")

# PyTorch takes a second to import, which `gan --help` need not wait for: both import what they use.


def load(run: str = "latest", outputs: str = "outputs", device: str = "auto") -> "LoadedRun":
    """Return a run by its directory, its name below `outputs`, or `latest`, with its networks.

    Raises UserError where there is none, or it has no whole checkpoint.
    """
    from gan_cli.runs.api import LoadedRun
    from gan_cli.runs.directory import find

    return LoadedRun(find(run, outputs), device)


def train(overrides: Sequence[str] = ()) -> "LoadedRun":
    """Train as `gan train` does with these settings, print its log as it comes; return the run.

    That takes a process of its own, so that nothing of this one changes. KeyboardInterrupt, as by a
    notebook's stop button, stops it with a checkpoint; `resume=latest` resumes it then. Raises
    UserError with the command's sentence where it fails.
    """
    from gan_cli.runs import own_process
    from gan_cli.runs.api import LoadedRun

    run = own_process.train(overrides)
    return LoadedRun(run, run.config().device)
