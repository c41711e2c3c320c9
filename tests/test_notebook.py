"""The notebook of docs/: its cells run in order, with or without Jupyter."""

import json
import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from helpers.command import Gan

import gan_cli
from gan_cli.runs.api import LoadedRun

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOK = json.loads((DOCS / "first-run.ipynb").read_text())
CELLS = {
    kind: ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == kind]
    for kind in ("code", "markdown")
}


def test_the_notebook_runs(gan: Gan, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its first cell to its last, but that it trains for fewer steps, in this process."""

    def train(overrides: list[str]) -> LoadedRun:
        assert gan("train", *overrides).code == 0
        return gan_cli.load()

    monkeypatch.setattr(gan_cli, "train", train)
    mpl.use("Agg")
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.extend(plt.get_fignums()) or plt.close("all"))
    code = "\n".join(CELLS["code"])
    for name, few in (("schedule.steps=800", 8), ("log.every_steps=50", 4)):
        assert code.count(name) == 1
        code = code.replace(name, f"{name.partition('=')[0]}={few}")
    exec(compile(code, "first-run.ipynb", "exec"), {})
    assert len(shown) == 4


def test_the_notebook_is_committed_without_outputs() -> None:
    cells = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


def test_the_notebook_s_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", "".join(CELLS["markdown"]))
    assert links
    assert all((DOCS / link).is_file() for link in links)
