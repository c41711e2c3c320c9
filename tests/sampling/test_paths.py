import pytest
import torch

from gan_cli.sampling.paths import linear, path, slerp


@pytest.mark.parametrize("between", [linear, slerp])
@pytest.mark.parametrize("loop", [False, True])
def test_paths_go_through_their_points(between, loop: bool) -> None:
    points = torch.randn(4, 3, 10, dtype=torch.float64)
    z = path(points, 5, between, loop)
    assert z.shape == (20 if loop else 16, 3, 10)
    torch.testing.assert_close(z[::5], points)


def test_a_line_is_straight_and_even() -> None:
    z = path(torch.randn(2, 1, 10, dtype=torch.float64), 8, linear, loop=False)
    torch.testing.assert_close(z.diff(dim=0), (z[-1:] - z[:1]).expand(8, 1, 10) / 8)


def test_an_arc_turns_evenly_and_keeps_its_length() -> None:
    points = torch.nn.functional.normalize(torch.randn(2, 1, 10, dtype=torch.float64), dim=-1)
    z = path(points, 8, slerp, loop=False)
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(9, 1, dtype=torch.float64))
    cosines = (z[1:] * z[:-1]).sum(-1)
    torch.testing.assert_close(cosines, cosines[:1].expand(8, 1))


def test_an_arc_between_nearly_equal_points() -> None:
    a = torch.randn(1, 10, dtype=torch.float64)
    z = path(torch.stack([a, a * (1 + 1e-12)]), 4, slerp, loop=False)
    torch.testing.assert_close(z, a.expand(5, 1, 10))
    assert slerp(a, -a, torch.tensor([0.5]).double()).isfinite().all()


def test_a_loop_comes_back() -> None:
    z = path(torch.randn(3, 1, 4, dtype=torch.float64), 10, linear, loop=True)
    steps = torch.cat([z, z[:1]]).diff(dim=0).norm(dim=-1)
    assert (steps < 1.5).all()
