"""The files of what a command has measured: numbers, a picture, a table."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from gan_cli.figures.grid import save_png
from gan_cli.figures.plot import render
from gan_cli.files import write_atomically
from gan_cli.runs.environment import git_commit


def write_results(
    path: Path,
    content: Mapping[str, object],
    figure: Figure,
    origin: Mapping[str, object],
    settings: Mapping[str, Any],
    lines: Sequence[str] = (),
) -> None:
    """Write `content` to `path`, a .json file, and the figure beside it as .png, `lines` as .md.

    With the numbers stand the commit, `origin`, whence they are, and the command's settings. Raises
    UserError where a file can't be written.
    """
    recorded = {
        **content,
        "origin": {key: str(value) for key, value in origin.items()},
        "git_commit": git_commit(),
        "settings": settings,
    }
    write_atomically(path, json.dumps(recorded, indent=2).encode())
    if lines:
        write_atomically(path.with_suffix(".md"), "\n".join([*lines, ""]).encode())
    save_png(path.with_suffix(".png"), render(figure), origin)
