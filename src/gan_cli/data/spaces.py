"""Model spaces: what pixels are mapped to before a network sees them, and back for display."""

from typing import Literal, NamedTuple

from torch import Tensor

# The L2 norm that contrast normalisation gives each image in the paper's CIFAR-10 recipes.
GCN_NORM = 55.0


class Affine(NamedTuple):
    """Pixels 0..255 mapped evenly to [low, high]."""

    low: float
    high: float

    def to_model(self, pixels: Tensor) -> Tensor:
        """Map uint8 pixels (N, C, H, W) to float32."""
        x = pixels.float().mul_((self.high - self.low) / 255)
        return x.add_(self.low) if self.low else x

    def to_unit(self, x: Tensor) -> Tensor:
        """Map to [0, 1] for display, clamped."""
        return self.to_measure(x.float()).clamp(0, 1)

    def to_measure(self, x: Tensor) -> Tensor:
        """Map to [0, 1], where log-likelihoods of images are measured."""
        return (x - self.low) / (self.high - self.low)


class GCN(NamedTuple):
    """Global contrast normalisation: each image with mean 0 and L2 norm GCN_NORM."""

    low: float = float("-inf")
    high: float = float("inf")

    def to_model(self, pixels: Tensor) -> Tensor:
        """Map uint8 pixels (N, C, H, W) to float32; an image of one grey level becomes 0."""
        x = pixels.float().flatten(1)
        x = x - x.mean(1, keepdim=True)
        x = x * (GCN_NORM / x.norm(dim=1, keepdim=True).clamp_min(1e-3))
        return x.view(pixels.shape)

    def to_unit(self, x: Tensor) -> Tensor:
        """Show each image divided by its largest absolute value, as the paper does: grey is 0."""
        largest = x.float().abs().flatten(1).amax(1).clamp_min(1e-12).view(-1, 1, 1, 1)
        return 0.5 + 0.5 * x.float() / largest

    def to_measure(self, x: Tensor) -> Tensor:
        """Return x as it is."""
        return x


Range = Literal["unit", "signed", "gcn"]

SPACES: dict[Range, Affine | GCN] = {
    "unit": Affine(0.0, 1.0),
    "signed": Affine(-1.0, 1.0),
    "gcn": GCN(),
}
