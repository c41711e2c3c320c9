"""`gan train` from Python, in a process of its own: the caller's is left as it was."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from gan_cli.arguments import as_text
from gan_cli.errors import UserError
from gan_cli.runs.directory import Run, find
from gan_cli.runs.sweeps import by_setting


def train(overrides: Sequence[str]) -> Run:
    """Run `gan train` with `overrides`, print its log as it comes, and return the run.

    KeyboardInterrupt stops it with a checkpoint, and is raised then. Raises UserError with its
    sentence where it fails, and RuntimeError with its traceback for a bug.
    """
    if isinstance(overrides, str):
        raise UserError(
            f"overrides is the text {overrides!r}; it must be a list with a text for each setting, "
            "as in ['experiment=ring', 'seed=1']."
        )
    if {"-m", "--multirun"} & set(overrides):
        raise UserError(
            "overrides has -m, which makes a sweep of several runs; here it must be one run, and "
            "`gan train -m` is for sweeps."
        )
    path, where = _directory(overrides)
    # -P: a module in the current directory must not stand in for another, as under `gan` none can.
    command = [sys.executable, "-P", "-m", "gan_cli", "train", *overrides, where]
    with (
        tempfile.TemporaryFile("w+", errors="backslashreplace") as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
            errors="backslashreplace",
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:
                print(line, end="", flush=True)
        except BaseException:
            # Ctrl-C may have reached that process too, or this one alone. It saves at the first
            # signal of a kind and ends at the second: SIGTERM is the first in either case.
            process.terminate()
            print(process.communicate()[0], end="", flush=True)
            raise
        status = process.wait()
        errors.seek(0)
        text = errors.read().strip()
    if status:
        kind = RuntimeError if "Traceback (most recent call last)" in text else UserError
        raise kind(text or f"gan train ended with status {status} before the run was finished.")
    if text:  # warnings
        print(text, file=sys.stderr)
    if not Run.exists(path):
        raise UserError(f"gan train made no run in {path}; dry_run must be false, which trains.")
    return Run(path)


def _directory(overrides: Sequence[str]) -> tuple[Path, str]:
    """Return the directory that the run will have, and the override that has it there."""
    given: dict[str, str] = {}
    for name, override in by_setting(overrides).items():
        if name in ("outputs", "resume", "hydra.run.dir"):
            with contextlib.suppress(HydraException):  # `gan train` has a sentence for it
                value = OverridesParser.create().parse_override(as_text(override)).value()
                if value is not None:
                    given[name] = str(Path(str(value)).expanduser())
    outputs = given.get("outputs", "outputs")
    if "resume" in given:
        path = find(given["resume"], outputs, "resume").path
        return path, f"resume={path}"
    by_time = f"{outputs}/train/{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
    path = Path(given.get("hydra.run.dir", by_time))
    return path, f"hydra.run.dir={path}"
