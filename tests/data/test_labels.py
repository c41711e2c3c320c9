import pytest
import torch

from gan_cli.data.labels import count_classes, labelled_rows
from gan_cli.data.source import Split
from gan_cli.errors import UserError
from gan_cli.rng import stream


def split(y: torch.Tensor | None) -> Split:
    return Split(torch.zeros(6, 1, 2, 2, dtype=torch.uint8), y)


def test_classes_are_counted() -> None:
    for dtype in (torch.int64, torch.uint8):
        assert count_classes(split(torch.tensor([2, 0, 1, 2, 2, 0], dtype=dtype)), "") == [2, 1, 3]


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, "these data have no labels"),
        (torch.ones(6), "float32"),
        (torch.ones(6, 1, dtype=torch.int64), r"\(6, 1\)"),
        (torch.ones(5, dtype=torch.int64), r"\(5,\)"),
        (torch.full((6,), 3), "label 3"),
        (torch.tensor([1, 2, 3, 1, 2, 3]), "1, 2, 3; they must be 0 to 2"),
        (torch.tensor([0, 1, 3, 0, 1, 3]), "0, 1, 3; they must be 0 to 2"),
        (torch.tensor([-1, 0, 1, -1, 0, 1]), "-1, 0, 1"),
    ],
)
def test_labels_that_can_not_be_a_condition(y: torch.Tensor | None, words: str) -> None:
    with pytest.raises(UserError, match=f"condition is label, but .*{words}"):
        count_classes(split(y), "condition is label")


def test_labelled_rows_are_as_many_of_each_class_or_one_more() -> None:
    y = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    for n in (3, 4, 60, 100):
        rows = labelled_rows(y, n, stream(0, "labels"))
        assert len(rows.unique()) == n
        counts = y[rows].bincount(minlength=3)
        most = -(-n // 3)
        assert counts.tolist() == [50, 30, 20] or (counts - most).abs().max() <= 1
    assert not torch.equal(*(labelled_rows(y, 9, stream(seed, "labels")) for seed in (0, 1)))


def test_classes_with_too_few_examples_leave_the_rest_to_others() -> None:
    y = torch.tensor([0, 0, 1, 0, 0, 0])
    assert y[labelled_rows(y, 5, stream(0, "labels"))].tolist().count(1) == 1


@pytest.mark.parametrize("n", [2, 7])
def test_fewer_labels_than_classes_and_more_than_examples_are_refused(n: int) -> None:
    with pytest.raises(UserError, match=f"labels is {n}; it must be from 3"):
        labelled_rows(torch.tensor([0, 1, 2, 2, 1, 0]), n, stream(0, "labels"))
