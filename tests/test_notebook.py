"""The notebook of docs/: its cells run in order, with or without Jupyter."""

import json
import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOK = json.loads((DOCS / "first-run.ipynb").read_text())
CELLS = {
    kind: ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == kind]
    for kind in ("code", "markdown")
}


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its first cell to its last, but that it trains for fewer steps."""
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.extend(plt.get_fignums()) or plt.close("all"))
    code = "\n".join(CELLS["code"])
    assert code.count("schedule.steps=800") == 1
    code = code.replace("schedule.steps=800", "schedule.steps=100")
    exec(compile(code, "first-run.ipynb", "exec"), {})
    assert len(shown) == 4


def test_the_notebook_is_committed_without_outputs() -> None:
    cells = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


def test_the_notebook_s_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", "".join(CELLS["markdown"]))
    assert links
    assert all((DOCS / link).is_file() for link in links)
