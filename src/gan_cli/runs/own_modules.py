"""Where a user's own modules are found: here, in the --config-dir, and where a run had them."""

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from gan_cli.config.differences import flatten
from gan_cli.errors import UserError
from gan_cli.runs.directory import Run


def config_directories() -> list[str]:
    """Return the directories that --config-dir names, as absolute paths."""
    sources = HydraConfig.get().runtime.config_sources
    return [source.path for source in sources if source.provider == "command-line"]


def look_in(directories: Iterable[str]) -> None:
    """Have modules found in directories too; last, so that none can stand in for another."""
    sys.path += [path for path in directories if path not in sys.path]


def look_where_trained(run: Run) -> None:
    """Have modules found that were when `run` was trained.

    Raises UserError where a class of its config is in none, and one of its directories is gone.
    """
    directories = [
        path
        for session in reversed(run.sessions())
        for path in (session.get("directory", "."), *session.get("config_dirs", ()))
    ]
    look_in(directories)
    gone = [path for path in dict.fromkeys(directories) if not Path(path).is_dir()]
    if not gone:
        return
    for key, target in flatten(run.config()).items():
        if key.endswith("._target_") and find_spec(str(target).partition(".")[0]) is None:
            raise UserError(
                f"{key} is {target} in {run.config_path}, whose module was in {' or '.join(gone)} "
                "when the run was trained, and that directory is gone; --config-dir names where it "
                "is now."
            )
