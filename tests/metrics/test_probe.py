"""Probes of features whose worth is known."""

import math

import pytest
import torch
from torch import Tensor

from gan_cli.errors import UserError
from gan_cli.figures.plot import render
from gan_cli.figures.probe import draw_probe, report
from gan_cli.metrics.probe import (
    CLASSIFIERS,
    Features,
    Probe,
    References,
    draw_labelled,
    principal_components,
    probe,
)

N, N_TEST, CLASSES = 300, 200, 4


def labels(n: int) -> Tensor:
    return torch.arange(n) % CLASSES


def blobs(spread: float) -> Features:
    """Of each class a cloud of its own, by so much."""
    rng = torch.Generator().manual_seed(0)
    return Features(
        *(
            torch.eye(CLASSES, 10)[labels(n)] + spread * torch.randn(n, 10, generator=rng)
            for n in (N, N_TEST)
        )
    )


def scores(features: dict[str, Features], numbers: list, draws: int) -> Probe:
    """Probe features of which the last are the references of the others."""
    *learned, last = features
    references = {name: References(None, None, last) for name in learned}
    drawn = draw_labelled(labels(N), numbers, draws, 0)
    return probe(features, labels(N), labels(N_TEST), drawn, references)


@pytest.fixture(scope="module")
def result() -> Probe:
    rng = torch.Generator().manual_seed(1)
    noise = Features(*(torch.randn(n, 10, generator=rng) for n in (N, N_TEST)))
    features = {"good": blobs(0.2), "noise": noise, "same": blobs(0.2), "pixels": blobs(0.6)}
    return scores(features, [8, "all"], 6)


def test_features_that_have_the_classes_and_noise(result: Probe) -> None:
    for one in result.scores:
        if one.features == "good":
            assert one.mean > 90
        elif one.features == "noise":
            assert one.mean == pytest.approx(100 / CLASSES, abs=12)


def test_the_standard_error_is_over_draws_and_that_of_one_over_test_images(result: Probe) -> None:
    for one in result.scores:
        if one.labels == 8:
            deviation = torch.tensor(one.accuracies, dtype=torch.float64).std().item()
            assert one.standard_error == pytest.approx(deviation / math.sqrt(6))
        else:
            (accuracy,) = one.accuracies
            error = math.sqrt(accuracy * (100 - accuracy) / N_TEST)
            assert one.standard_error == pytest.approx(error)


def test_only_six_draws_show_a_difference(result: Probe) -> None:
    shown = {"good": "better", "noise": "worse", "same": "better"}
    for d in result.differences():
        assert d.conclusion == (shown[d.features] if d.labels == 8 else "not tested")
    lines = list(report(result))
    assert (
        "- With 8 labels the learned features are better than pixels in 4 and worse in 2 of 6 "
        "comparisons." in lines
    )
    assert f"- With {N} labels nothing is tested: there are fewer than 6 draws." in lines


def test_equal_features_differ_by_nothing() -> None:
    result = scores({"a": blobs(0.6), "b": blobs(0.6)}, [8], 6)
    assert [d.values for d in result.differences()] == [[0] * 6] * 2
    assert {d.conclusion for d in result.differences()} == {"no difference shown"}
    assert {d["p"] for d in result.content()["differences"]} == {1}


def test_no_error_can_be_drawn() -> None:
    figure = draw_probe(scores({"a": blobs(0), "b": blobs(0)}, [8], 2))
    render(figure)
    for axes in figure.axes:
        assert all((line.get_ydata() == 50 / N_TEST).all() for line in axes.get_lines()[::3])


def test_1_nn_is_the_double_loop() -> None:
    x, test = blobs(0.7)
    (drawn,) = draw_labelled(labels(N), [20], 1, 0).values()
    rows = drawn[0]
    right = 0
    for point, truth in zip(test, labels(N_TEST), strict=True):
        right += int(labels(N)[rows[(x[rows] - point).norm(dim=1).argmin()]] == truth)
    found = scores({"a": blobs(0.7), "b": blobs(0.7)}, [20], 1)
    (one,) = [s for s in found.scores if (s.classifier, s.features) == (CLASSIFIERS[1], "a")]
    assert one.accuracies == [pytest.approx(100 * right / N_TEST)]


def test_other_axes_units_and_useless_features_change_nothing() -> None:
    x = blobs(0.6)
    rotation, _ = torch.linalg.qr(torch.randn(10, 10))
    other = Features(*(torch.cat([7 * y @ rotation + 3, torch.ones(len(y), 5)], 1) for y in x))
    found = scores({"a": x, "b": other}, [20], 3)
    for d in found.differences():
        assert d.values == [pytest.approx(0, abs=0.51)] * 3  # an image of 200


def test_normalised_features() -> None:
    train, test = Features(torch.rand(50, 3) * 9 + 5, torch.zeros(2, 3)).normalised()
    torch.testing.assert_close(train.mean(0), torch.zeros(3), atol=1e-6, rtol=0)
    assert train.square().sum(1).mean().item() == pytest.approx(1, abs=1e-5)
    assert (test < -1).all(1).all()
    # Of a D that gives the same for all images.
    assert not Features(torch.ones(5, 2), torch.ones(4, 2)).normalised().test.any()


def test_principal_components_are_those_of_the_singular_values() -> None:
    x = torch.randn(60, 8) @ torch.randn(8, 8) + 4
    train, test = principal_components(Features(x, x[:5]), 3, 0)
    centred = x - x.mean(0)
    _, _, axes = torch.linalg.svd(centred)
    torch.testing.assert_close(train.abs(), (centred @ axes[:3].T).abs(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(test, train[:5])


def test_draws_of_few_are_part_of_those_of_more() -> None:
    drawn = draw_labelled(labels(N), [50, "all", 10, N], 3, 7)
    assert {n: len(rows) for n, rows in drawn.items()} == {10: 3, 50: 3, N: 1}
    for few, more in zip(drawn[10], drawn[50], strict=True):
        assert torch.equal(few, more[:10])
    assert len({tuple(rows.tolist()) for rows in drawn[10]}) == 3
    assert draw_labelled(labels(N), [10], 1, 8)[10][0].tolist() != drawn[10][0].tolist()
    with pytest.raises(UserError, match="labels is 3; it must be from 4"):
        draw_labelled(labels(N), ["all", 3], 1, 0)
