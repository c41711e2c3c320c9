"""Networks of a user's own."""

from torch import Tensor, nn

from gan_cli.ranges import Count


class Own(nn.Module):
    """D, as small as can be, with a range of its own."""

    def __init__(self, width: Count) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(width), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten()
