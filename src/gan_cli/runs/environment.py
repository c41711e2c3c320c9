"""What a run ran on."""

import logging
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import gan_cli
from gan_cli.errors import UserError

log = logging.getLogger(__name__)

# Where sessions differ in one of these, the same steps may give other bits.
COMPARED = ("device", "threads", "precision", "processor", "torch", "cuda_graph", "compile")


def environment(
    device: torch.device, autocast: torch.dtype | None, fingerprint: str
) -> dict[str, Any]:
    """Return versions, hardware, git commit, command line and the data's SHA-256, for JSON.

    autocast: the type of matrix products in mixed precision, or None.
    """
    names = ("gan-cli", "torchvision", "numpy", "hydra-core", "omegaconf")
    fp32 = "tf32" if torch.backends.cuda.matmul.allow_tf32 else "fp32"
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "directory": str(Path.cwd()),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            **{name: version(name) for name in names},
        },
        "platform": platform.platform(),
        "processor": torch.cpu.get_capabilities().get("cpu_name", platform.processor()),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "precision": str(autocast).removeprefix("torch.") if autocast else fp32,
        "threads": torch.get_num_threads(),
        "git_commit": git_commit(),
        "data_sha256": fingerprint,
    }


def refuse_other_data(sessions: Sequence[dict[str, Any]], fingerprint: str) -> None:
    """Raise UserError where the data are others than in the last of a run's sessions."""
    if sessions and sessions[-1].get("data_sha256", fingerprint) != fingerprint:
        raise UserError(
            "dataset gives other data than this run was trained on so far (their SHA-256 differ); "
            "data_dir, or dataset.path, must lead to the same files."
        )


def compare(sessions: Sequence[dict[str, Any]], here: dict[str, Any]) -> None:
    """Warn of what of the machine is another than in the last of a run's sessions."""
    if not sessions:
        return
    before, now = ({**session, **session["versions"]} for session in (sessions[-1], here))
    moved = [
        f"{name}: {before.get(name)} before, {now[name]} now"
        for name in COMPARED
        if before.get(name) != now[name]
    ]
    if moved:
        log.warning(
            "This session runs on another machine or software than the last (%s): from here on, "
            "the last digits may differ from an uninterrupted run's.",
            "; ".join(moved),
        )


def git_commit() -> str | None:
    """Return the commit of gan's own checkout, with `+changes` where it is not clean, or None."""
    root = Path(gan_cli.__file__).parent
    try:
        # Elsewhere than in its checkout, as in a virtual environment, the commit is another's.
        _git(root, "ls-files", "--error-unmatch", Path(gan_cli.__file__).name)
        commit = _git(root, "rev-parse", "HEAD")
        changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+changes" if changes else commit


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
