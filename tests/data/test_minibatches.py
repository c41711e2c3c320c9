import pytest
import torch

from gan_cli.data.minibatches import Minibatches, WithLabelled
from gan_cli.data.source import Split
from gan_cli.errors import UserError

CPU = torch.device("cpu")


def minibatches(n: int, batch_size: int, seed: int = 0) -> Minibatches:
    x = torch.arange(n, dtype=torch.uint8).view(-1, 1, 1, 1)
    return Minibatches(Split(x, None), batch_size, seed, lambda x: x.float(), CPU)


def test_an_epoch_has_each_example_once() -> None:
    batches = minibatches(20, 5)
    assert batches.per_epoch == 4
    for epoch in range(3):
        seen = torch.cat([batches[4 * epoch + i][0] for i in range(4)]).flatten()
        assert sorted(seen.tolist()) == list(range(20))


def test_epochs_and_seeds_differ() -> None:
    batches = minibatches(100, 100)
    assert not torch.equal(*batches[0], *batches[1])
    assert not torch.equal(*batches[0], *minibatches(100, 100, seed=1)[0])


def test_a_minibatch_is_a_function_of_its_number() -> None:
    forward, backward = minibatches(23, 5), minibatches(23, 5)
    there = [forward[i] for i in range(12)]
    back = [backward[i] for i in reversed(range(12))]
    assert all(torch.equal(*a, *b) for a, b in zip(there, reversed(back), strict=True))


def test_what_is_left_over_is_seen_in_other_epochs() -> None:
    batches = minibatches(7, 5)
    seen = torch.cat([batches[i][0] for i in range(30)]).flatten()
    assert set(seen.tolist()) == set(range(7))


def test_labels_are_those_of_the_examples() -> None:
    x = torch.arange(23, dtype=torch.uint8).view(-1, 1, 1, 1)
    y = torch.arange(23, dtype=torch.uint8) % 7
    unlabelled, batches = (
        Minibatches(Split(x, y), 5, 0, lambda x: x.float(), CPU, labelled=labelled)
        for labelled in (False, True)
    )
    for i in range(12):
        (alone,), (images, labels) = unlabelled[i], batches[i]
        assert torch.equal(images, alone)
        assert torch.equal(labels, images.flatten().long() % 7)


def test_more_than_there_are() -> None:
    with pytest.raises(UserError, match="batch_size is 6"):
        minibatches(5, 6)


def test_labelled_examples_beside_all() -> None:
    """Both have epochs of their own; the few have their labels."""
    x = torch.arange(23, dtype=torch.uint8).view(-1, 1, 1, 1)
    few = Split(x[:4], torch.arange(4) + 10)
    batches = WithLabelled(Split(x, None), few, 5, 0, lambda x: x.float(), CPU)
    for i in range(12):
        images, labelled, y = batches[i]
        assert torch.equal(images, minibatches(23, 5)[i][0])
        assert sorted(labelled.flatten().tolist()) == [0, 1, 2, 3]
        assert torch.equal(y, labelled.flatten().long() + 10)
