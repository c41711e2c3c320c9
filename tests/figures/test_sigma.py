"""The plot of the validation curves."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from gan_cli.figures import sigma


def test_names_are_shown_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matplotlib leaves out what begins with _, and sets what stands between two $ as a formula."""
    drawn: list[Figure] = []
    monkeypatch.setattr(sigma, "save_plot", lambda _path, figure, _origin: drawn.append(figure))
    names = ["_mine.npy", "a$1_$b_.npy", "1000 k-means centroids"]
    curves = {name: [1.0, 3.0, 2.0] for name in names}
    sigma.plot_sigma(tmp_path / "x.png", [0.1, 0.2, 0.4], curves, {})
    (figure,) = drawn
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == names
    figure.canvas.draw()
