"""The plot of the validation curves."""

from matplotlib.figure import Figure

from gan_cli.figures.plot import render
from gan_cli.figures.sigma import plot_sigma


def test_names_are_shown_as_they_are() -> None:
    """Matplotlib would set what stands between two $ as a formula."""
    names = ["a$1_$b_.npy", "1000 k-means centroids"]
    figure = plot_sigma([0.1, 0.2, 0.4], {name: [1.0, 3.0, 2.0] for name in names})
    texts = _legend(figure)
    assert [text.partition(": ")[0].replace(r"\$", "$") for text in texts] == names
    render(figure)


def test_the_chosen_sigma_is_in_the_legend() -> None:
    figure = plot_sigma([0.1, 0.2, 0.4], {"a": [-1.0, -229.12, -300.0], "b": [1.0, 2.0, 3.0]})
    assert _legend(figure) == ["a: sigma = 0.1, -1.0 nats", "b: sigma = 0.4, 3.0 nats"]
    marked = [line.get_xdata() for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [list(x) for x in marked] == [[0.1], [0.4]]


def _legend(figure: Figure) -> list[str]:
    (axes,) = figure.axes
    return [text.get_text() for text in axes.get_legend().get_texts()]
