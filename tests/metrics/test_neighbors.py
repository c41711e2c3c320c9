import torch

from gan_cli.metrics.neighbors import COMPARED, distance_quantiles, nearest


def test_equals_a_double_loop() -> None:
    x, points = torch.rand(40, 1, 3, 4), torch.rand(300, 1, 3, 4)
    distance, index = nearest(x, points, chunk=7)
    for i, point in enumerate(x.double()):
        every = (points.double() - point).flatten(1).norm(dim=1)
        assert index[i] == every.argmin()
        torch.testing.assert_close(distance[i], every.min())


def test_a_copy_is_found_at_distance_zero() -> None:
    points = torch.rand(500, 20) + 1000
    distance, index = nearest(points[::7], points)
    assert torch.equal(index, torch.arange(0, 500, 7))
    assert not distance.any()


def test_quantiles_of_the_first_distances() -> None:
    x = torch.linspace(0, 100, COMPARED).view(-1, 1)
    more = torch.cat([x, torch.full((500, 1), 1e6)])
    values = distance_quantiles(more, torch.zeros(1, 1))
    torch.testing.assert_close(
        values, {"5%": 5.0, "25%": 25.0, "50%": 50.0, "75%": 75.0, "95%": 95.0}
    )
