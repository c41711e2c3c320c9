"""Feature spaces in which samples are compared with data.

For labelled images that of a small classifier, trained on them once; its weights ship with the
package for MNIST and digits. For other images that of the same network with its
random initial weights. Points are their own features.
"""

import copy
import hashlib
import logging
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gan_cli.data.source import Data, Source, Split
from gan_cli.data.stacked_mnist import StackedMNIST
from gan_cli.errors import UserError
from gan_cli.files import replacing
from gan_cli.metrics.views import Classes, Space, View

log = logging.getLogger(__name__)

# The weights that ship with the package, by the data set's name, with their SHA-256. They are those
# of `gan features dataset=mnist` and `dataset=digits`.
SHIPPED = {
    "MNIST": "c37cefa035966eaf81ab6352aac5d809b89aaeb3c99fb91251dfdf4fc198e709",
    "digits": "57a28de745f7a2ea8253e724221c097dba5b2fe8000881f644a99e42b6ec3cb7",
}
WIDTHS = (16, 32, 64, 128)
STEPS, EPOCHS = 10000, 100  # at most
BATCH = 128
LEARNING_RATE = 4e-3
# Images at a time, always as many: the bits of a float32 product may depend on it.
CHUNK = 100


class FeatureNetwork(nn.Module):
    """Images (n, C, H, W) in [0, 1] -> features (n, 128), and logits (n, classes) of these.

    Four convolutions, two of them with stride 2, each with batch normalisation and ReLU, and the
    mean over the pixels: any size of images will do.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, stride in zip(WIDTHS, (1, 2, 2, 1), strict=True):
            conv = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and logits."""
        features = self.body(x)
        return features, self.head(features)

    def fused(self) -> "FeatureNetwork":
        """Return it for evaluation alone, with batch normalisation in the convolutions' weights."""
        network = copy.deepcopy(self).eval()
        layers: list[nn.Module] = []
        for layer in network.body:
            if isinstance(layer, nn.BatchNorm2d):
                conv = layers.pop()
                assert isinstance(conv, nn.Conv2d)
                layer = fuse_conv_bn_eval(conv, layer)
            layers.append(layer)
        network.body = nn.Sequential(*layers)
        return network


@dataclass(frozen=True)
class NetworkSpace:
    """The space of a network's features; its logits count where it is a classifier.

    `accuracy` is the share of test images that a classifier assigns to their class.
    """

    name: str
    network: FeatureNetwork
    accuracy: float | None

    @property
    def key(self) -> str:
        """A digest of the weights."""
        weights = b"".join(x.cpu().numpy().tobytes() for x in self.network.state_dict().values())
        return hashlib.sha256(weights).hexdigest()[:16]

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> View:
        """Return the view of uint8 images (n, C, H, W)."""
        device = next(self.network.parameters()).device
        parts = [self.network(part.to(device) / 255) for part in pixels.split(CHUNK)]
        features, logits = (torch.cat(x).cpu() for x in zip(*parts, strict=True))
        if self.accuracy is None:
            return View(features, None)
        confidence, index = logits.softmax(1).max(1)
        return View(features, Classes(index, confidence, logits.shape[1]))


class StackedSpace:
    """The space of images whose channels are digits: those of all three, and 1000 classes."""

    def __init__(self, digits: Space) -> None:
        self.name, self.key = f"{digits.name}, of each channel", f"{digits.key}-channels"
        assert digits.accuracy is not None
        # The digits of a test image are drawn independently.
        self.digits, self.accuracy = digits, digits.accuracy**3

    def __call__(self, pixels: Tensor) -> View:
        """Return the view of uint8 images (n, 3, H, W)."""
        views = [self.digits(channel) for channel in pixels.split(1, 1)]
        features = torch.cat([view.features for view in views], 1)
        index, confidence = torch.zeros(len(pixels), dtype=torch.int64), torch.ones(len(pixels))
        for digit in (view.classes for view in views):
            assert digit is not None
            index, confidence = 10 * index + digit.most_probable, confidence * digit.confidence
        return View(features, Classes(index, confidence, 1000))


class PointSpace:
    """The space of points in the plane themselves."""

    name, key, accuracy = "the points themselves", "points", None

    def __call__(self, pixels: Tensor) -> View:
        """Return points (n, ...) as they are."""
        return View(pixels.flatten(1), None)


def feature_space(source: Source, data: Data, cache: Path) -> Space:
    """Return the feature space of a data set, trained first if need be, and cached in `cache`."""
    if data.train.x.dtype != torch.uint8:
        return PointSpace()
    if isinstance(source, StackedMNIST):
        return StackedSpace(_shipped("MNIST"))
    if source.name in SHIPPED:
        return _shipped(source.name)
    if not all(is_labelled(part) for part in (data.train, data.test)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = FeatureNetwork(data.train.x.shape[1], 1).fused()
        return NetworkSpace("a random network's features (seed 0): no labels", network, None)
    data = as_shown(source, data)
    path = cache / f"features-{data.fingerprint()[:16]}.safetensors"
    if not path.is_file():
        log.info("Training the classifier in whose features samples are compared.")
        steps = min(STEPS, -(-EPOCHS * len(data.train.x) // BATCH))
        save_classifier(path, train_classifier(data.train, 0, steps), data.test)
    return load_classifier(path)


def as_shown(source: Source, data: Data) -> Data:
    """Return a data set as samples are shown: contrast-normalised pixels are not those of files."""

    def shown(x: Tensor) -> Tensor:
        return torch.cat([source.to_pixels(source.to_model(part)) for part in x.split(1000)])

    return Data(*(Split(shown(part.x), part.y) for part in data))


def is_labelled(part: Split) -> bool:
    """Return whether all examples have a class; TFD has unlabelled ones, of class -1."""
    return part.y is not None and bool(part.y.min() >= 0)


def train_classifier(
    train: Split, seed: int, steps: int, batch: int = BATCH, learning_rate: float = LEARNING_RATE
) -> FeatureNetwork:
    """Return a network trained to classify uint8 images, shifted by up to a fourteenth of a side.

    AdamW in minibatches of `batch`, its learning rate rising to `learning_rate` and falling in one
    cycle. All random numbers follow from `seed`. The log has the time left, once a minute.
    """
    assert train.y is not None
    x, y = train.x, train.y
    height, width = x.shape[2:]
    shift = max(1, height // 14)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = FeatureNetwork(x.shape[1], int(y.max()) + 1)
        optimizer = torch.optim.AdamW(network.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps)
        epochs = -(-steps * batch // len(x))
        order = torch.cat([torch.randperm(len(x)) for _ in range(epochs)])
        start = said = time.monotonic()
        for step, rows in enumerate(order.split(batch)[:steps], start=1):
            top, left = torch.randint(2 * shift + 1, (2,)).tolist()
            padded = pad(x[rows] / 255, [shift] * 4)
            _, logits = network(padded[..., top : top + height, left : left + width])
            cross_entropy(logits, y[rows]).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            if (now := time.monotonic()) > said + 60:
                said, left = now, (now - start) / step * (steps - step)
                log.info("Classifier: step %d of %d, %.0f s to go.", step, steps, left)
    return network.eval()


@torch.no_grad()
def accuracy_of(network: FeatureNetwork, test: Split) -> float:
    """Return the share of uint8 images that a classifier assigns to their class."""
    assert test.y is not None
    fused = network.fused()
    logits = torch.cat([fused(part / 255)[1] for part in test.x.split(CHUNK)])
    return (logits.argmax(1) == test.y).double().mean().item()


def save_classifier(path: Path, network: FeatureNetwork, test: Split) -> None:
    """Write a classifier in float16, with its accuracy on the test images, which is logged."""
    accuracy = accuracy_of(network.half().float(), test)
    log.info("Its accuracy on the test images: %.2f %%.", 100 * accuracy)
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {
        name: x.half() if x.is_floating_point() else x for name, x in network.state_dict().items()
    }
    with replacing(path) as temporary:
        save_file(weights, temporary, {"accuracy": repr(accuracy)})


def load_classifier(path: Path) -> NetworkSpace:
    """Return the space of a classifier's features. Raises UserError for a damaged file."""
    try:
        with safe_open(path, framework="pt") as file:
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            accuracy = float(file.metadata()["accuracy"])
        classes, _ = weights["head.weight"].shape
        network = FeatureNetwork(weights["body.0.weight"].shape[1], classes)
        network.load_state_dict(weights)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{path} is damaged, or holds no features of gan; delete it, and it is made anew."
        ) from error
    name = f"features of a classifier of the data, {100 * accuracy:.2f} % on test"
    return NetworkSpace(name, network.fused(), accuracy)


def _shipped(name: str) -> NetworkSpace:
    path = Path(str(files("gan_cli.metrics") / "weights" / f"{name}.safetensors"))
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != SHIPPED[name]:
        raise UserError(
            f"{path} is not the file that ships with gan (its SHA-256 differs); install gan anew."
        )
    return load_classifier(path)
