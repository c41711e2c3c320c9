"""What the machine runs out of, memory or disk, in a sentence."""

import contextlib
import logging
import re
import threading
from collections.abc import Iterator

from omegaconf import DictConfig

from gan_cli.config.differences import flatten
from gan_cli.errors import UserError
from gan_cli.files import relative
from gan_cli.game.state import State
from gan_cli.runs import directory as runs
from gan_cli.training.device import device_name

log = logging.getLogger(__name__)

# The settings by which the memory that a command takes grows.
SIZES = re.compile(
    r"n|n_samples|rows|points|steps|valid_limit|test_limit|schedule\.batch_size|"
    r"network\.\w+\.(widths|units|width|channels)"
)


@contextlib.contextmanager
def explain_out_of_memory(cfg: DictConfig) -> Iterator[None]:
    """Make one sentence of memory that is not enough, with the settings that ask for it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        asked = re.search(r"(?:tried|unable) to allocate ([\d.]+ \w+)", str(error), re.IGNORECASE)
        if not asked and not isinstance(error, MemoryError):
            raise
        settings = {k: v for k, v in flatten(cfg).items() if SIZES.fullmatch(k) and v is not None}
        sizes = ", ".join(f"{key}={value}" for key, value in settings.items())
        raise UserError(
            f"Out of memory on {device_name(cfg.get('device', 'cpu'))}, which was asked for "
            f"{asked[1] if asked else 'more than is left'}"
            + (f", with {sizes}; one of them must be smaller, or device another." if sizes else ".")
        ) from error


@contextlib.contextmanager
def explain_full_disk(run: runs.Run, state: State) -> Iterator[None]:
    """Make one sentence of what can't be written, by whichever thread."""

    def note(failed: threading.ExceptHookArgs) -> None:
        # TensorBoard's thread hands its error on to the next who writes, who reports it.
        log.debug("In %s: %s", failed.thread, failed.exc_value)

    before, threading.excepthook = threading.excepthook, note
    try:
        yield
    except (OSError, UserError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        where = relative(run.path)
        raise UserError(
            f"Cannot write to {where} at step {state.step}: {cause.strerror or cause}. Its "
            f"checkpoints are intact: once that is mended, `gan train resume={where}` resumes it."
        ) from error
    finally:
        threading.excepthook = before
