"""What a run ran on."""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import gan_cli


def environment(
    device: torch.device, autocast: torch.dtype | None, fingerprint: str
) -> dict[str, Any]:
    """Return versions, hardware, git commit, command line and the data's SHA-256, for JSON."""
    names = ("gan-cli", "torchvision", "numpy", "hydra-core", "omegaconf")
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
        "device": _describe(device),
        "precision": "fp32" if autocast is None else str(autocast).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "git_commit": git_commit(),
        "data_sha256": fingerprint,
    }


def git_commit() -> str | None:
    """Return the commit of gan's own checkout, with `+changes` where it is not clean, or None."""
    root = Path(gan_cli.__file__).parent
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+changes" if changes else commit


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _describe(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
