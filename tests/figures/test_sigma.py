"""The plot of the validation curves."""

from gan_cli.figures.plot import render
from gan_cli.figures.sigma import plot_sigma


def test_names_are_shown_as_they_are() -> None:
    """Matplotlib would set what stands between two $ as a formula."""
    names = ["a$1_$b_.npy", "1000 k-means centroids"]
    figure = plot_sigma([0.1, 0.2, 0.4], {name: [1.0, 3.0, 2.0] for name in names})
    (axes,) = figure.axes
    assert [text.get_text().replace(r"\$", "$") for text in axes.get_legend().get_texts()] == names
    render(figure)
