import pytest
import torch

from gan_cli.data.labels import count_classes
from gan_cli.data.source import Split
from gan_cli.errors import UserError


def split(y: torch.Tensor | None) -> Split:
    return Split(torch.zeros(6, 1, 2, 2, dtype=torch.uint8), y)


def test_classes_are_counted() -> None:
    for dtype in (torch.int64, torch.uint8):
        assert count_classes(split(torch.tensor([2, 0, 1, 2, 2, 0], dtype=dtype))) == [2, 1, 3]


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
    with pytest.raises(UserError, match=words):
        count_classes(split(y))
