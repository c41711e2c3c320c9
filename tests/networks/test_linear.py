import pytest
import torch
from torch import nn

from gan_cli.networks import linear


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="needs oneDNN")
def test_onednn_gives_what_pytorch_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """The product and the gradients of all three, whichever of them are wanted."""
    torch.manual_seed(0)
    ours, theirs = linear.Linear(30, 20), nn.Linear(30, 20)
    theirs.load_state_dict(ours.state_dict())
    x, along = torch.randn(7, 30, requires_grad=True), torch.randn(7, 20)
    monkeypatch.setattr(linear, "MKL_IS_SLOW", True)
    y = ours(x)
    assert type(y.grad_fn).__name__ == "OneDNNLinearBackward"
    torch.testing.assert_close(y, theirs(x))
    inputs = [[x, *layer.parameters()] for layer in (ours, theirs)]
    both = [
        torch.autograd.grad(f(x), i, along) for f, i in zip((ours, theirs), inputs, strict=True)
    ]
    for a, b in zip(*both, strict=True):
        torch.testing.assert_close(a, b)
        assert a.is_contiguous()
    (only,) = torch.autograd.grad(ours(x), [ours.bias], along)
    torch.testing.assert_close(only, both[1][2])


def test_other_types_are_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "MKL_IS_SLOW", True)
    layer, x = linear.Linear(3, 2), torch.randn(4, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert layer.double()(x.double()).dtype == torch.float64
