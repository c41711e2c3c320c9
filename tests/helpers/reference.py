"""The game in plain float64 NumPy, from the paper's formulas; slow and obvious."""

from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor, nn

from gan_cli.game.conditions import Condition, UniformLabels
from gan_cli.game.priors import Prior
from gan_cli.networks import layers
from gan_cli.networks.maxout import Maxout, MaxoutConv

Array = np.ndarray
Batch = tuple[Array, ...]  # x, or x and one-hot labels
Rates = tuple[float, float]  # learning rate and momentum


class RecordingPrior:
    """A prior in float64 that records its draws."""

    def __init__(self, prior: Prior) -> None:
        self.prior, self.dim = prior, prior.dim
        self.drawn: deque[Array] = deque()

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        z = self.prior(n, rng).double()
        self.drawn.append(z.numpy())
        return z


class RecordingLabels(UniformLabels):
    """Uniform labels that record their draws, one-hot."""

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.drawn: deque[Array] = deque()

    def __call__(self, c: Condition, rng: torch.Generator) -> Condition:
        (y,) = super().__call__(c, rng)
        self.drawn.append(one_hot(y, self.classes))
        return (y,)


def one_hot(y: Tensor, classes: int) -> Array:
    return np.eye(classes)[y.numpy()]


def record_masks(monkeypatch: pytest.MonkeyPatch) -> deque[Array]:
    """Return where dropout masks will be recorded, in the order in which they are drawn."""
    masks: deque[Array] = deque()
    keep_mask = layers.keep_mask

    def record(like: Tensor, keep_prob: float, rng: torch.Generator | None) -> Tensor:
        mask = keep_mask(like, keep_prob, rng)
        masks.append(mask.double().numpy())
        return mask

    monkeypatch.setattr(layers, "keep_mask", record)
    return masks


class Layer:
    """A layer with its parameters, their velocities, and gradients of the last backward pass."""

    unit_axis = 0  # of the weight, which is the first parameter

    def __init__(self, *parameters: Tensor) -> None:
        self.parameters = [p.detach().numpy().astype(np.float64) for p in parameters]
        self.velocities = [np.zeros_like(p) for p in self.parameters]
        self.gradients: list[Array] = []

    def update(self, lr: float, momentum: float, max_col_norm: float | None) -> None:
        for p, v, gradient in zip(self.parameters, self.velocities, self.gradients, strict=True):
            v[...] = momentum * v - lr * gradient
            p += v
        if max_col_norm is not None and self.parameters and self.parameters[0].ndim > 1:
            for unit in np.moveaxis(self.parameters[0], self.unit_axis, 0):
                unit *= min(1, max_col_norm / np.linalg.norm(unit))


class Dense(Layer):
    def forward(self, x: Array) -> Array:
        self.x = x.reshape(len(x), -1)
        w, b = self.parameters
        return self.x @ w.T + b

    def backward(self, delta: Array) -> Array:
        self.gradients = [delta.T @ self.x, delta.sum(0)]
        return delta @ self.parameters[0]


class ReLU(Layer):
    def forward(self, x: Array) -> Array:
        self.on = x > 0
        return x * self.on

    def backward(self, delta: Array) -> Array:
        return delta * self.on


class Sigmoid(Layer):
    def forward(self, x: Array) -> Array:
        self.y = sigmoid(x)
        return self.y

    def backward(self, delta: Array) -> Array:
        return delta * self.y * (1 - self.y)


class Drop(Layer):
    """Scaled dropout with the next of the recorded masks."""

    def __init__(self, keep_prob: float, masks: deque[Array]) -> None:
        super().__init__()
        self.keep_prob, self.masks = keep_prob, masks

    def forward(self, x: Array) -> Array:
        self.scale = self.masks.popleft() / self.keep_prob
        if labels := x.size // len(x) - self.scale.size // len(x):  # which are never dropped
            self.scale = np.concatenate([self.scale, np.ones((len(x), labels))], 1)
        return x.reshape(self.scale.shape) * self.scale

    def backward(self, delta: Array) -> Array:
        return delta.reshape(self.scale.shape) * self.scale


class MaxPieces(Layer):
    """The maximum over pieces, the outer of (pieces, channels) along axis 1; ties share alike."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Array) -> Array:
        split = x.reshape(len(x), self.pieces, -1, *x.shape[2:])
        self.shape, self.is_largest = x.shape, split == split.max(1, keepdims=True)
        return split.max(1)

    def backward(self, delta: Array) -> Array:
        shares = self.is_largest / self.is_largest.sum(1, keepdims=True)
        return (delta[:, None] * shares).reshape(self.shape)


class Reshape(Layer):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.to = shape

    def forward(self, x: Array) -> Array:
        self.before = x.shape
        return x.reshape(len(x), *self.to)

    def backward(self, delta: Array) -> Array:
        return delta.reshape(self.before)


def correlate(x: Array, w: Array) -> Array:
    """Slide w (o, i, h, w) over x (n, i, H, W), without padding: (n, o, H - h + 1, W - w + 1)."""
    return np.einsum("niyxhw,oihw->noyx", sliding_window_view(x, w.shape[2:], (2, 3)), w)


def correlate_gradients(x: Array, w: Array, delta: Array) -> tuple[Array, Array]:
    """Gradients with respect to x and w, given that with respect to `correlate(x, w)`."""
    at_w = np.einsum("nihwyx,noyx->oihw", sliding_window_view(x, delta.shape[2:], (2, 3)), delta)
    padding = [(0, 0), (0, 0), *((size - 1, size - 1) for size in w.shape[2:])]
    return correlate(np.pad(delta, padding), w[:, :, ::-1, ::-1].swapaxes(0, 1)), at_w


class Conv(Layer):
    def __init__(self, w: Tensor, b: Tensor, pad: int) -> None:
        super().__init__(w, b)
        self.pad = pad

    def forward(self, x: Array) -> Array:
        self.x = np.pad(x, [(0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad)])
        w, b = self.parameters
        return correlate(self.x, w) + b[:, None, None]

    def backward(self, delta: Array) -> Array:
        at_x, at_w = correlate_gradients(self.x, self.parameters[0], delta)
        self.gradients = [at_w, delta.sum((0, 2, 3))]
        p, (height, width) = self.pad, at_x.shape[2:]
        return at_x[:, :, p : height - p, p : width - p]


class Deconv(Layer):
    """A transposed convolution, which is the gradient of `correlate` with respect to its input."""

    unit_axis = 1

    def __init__(self, w: Tensor, stride: int) -> None:
        super().__init__(w)
        self.stride = stride

    def forward(self, x: Array) -> Array:
        (w,), s = self.parameters, self.stride
        n, channels, height, width = x.shape
        self.up = np.zeros((n, channels, (height - 1) * s + 1, (width - 1) * s + 1))
        self.up[:, :, ::s, ::s] = x
        sizes = np.add(self.up.shape[2:], w.shape[2:]) - 1
        at_x, _ = correlate_gradients(np.zeros((n, w.shape[1], *sizes)), w, self.up)
        return at_x

    def backward(self, delta: Array) -> Array:
        (w,), s = self.parameters, self.stride
        _, at_w = correlate_gradients(delta, w, self.up)
        self.gradients = [at_w]
        return correlate(delta, w)[:, :, ::s, ::s]


class Pool(Layer):
    """Maxima over windows whose number is rounded up: the last ones are cut short."""

    def __init__(self, size: int, stride: int) -> None:
        super().__init__()
        self.size, self.stride = size, stride

    def windows(self, length: int) -> list[slice]:
        n = int(np.ceil((length - self.size) / self.stride)) + 1
        return [slice(i * self.stride, i * self.stride + self.size) for i in range(n)]

    def forward(self, x: Array) -> Array:
        self.x = x
        self.rows, self.columns = self.windows(x.shape[2]), self.windows(x.shape[3])
        maxima = [[x[:, :, r, c].max((2, 3)) for c in self.columns] for r in self.rows]
        return np.array(maxima).transpose(2, 3, 0, 1)

    def backward(self, delta: Array) -> Array:
        dx = np.zeros_like(self.x)
        for n, c, i, j in np.ndindex(*delta.shape):
            window = self.x[n, c, self.rows[i], self.columns[j]]
            largest = np.unravel_index(window.argmax(), window.shape)
            dx[n, c, self.rows[i], self.columns[j]][largest] += delta[n, c, i, j]
        return dx


class Bias(Layer):
    def forward(self, x: Array) -> Array:
        return x + self.parameters[0]

    def backward(self, delta: Array) -> Array:
        self.gradients = [delta.sum(0)]
        return delta


def layers_of(network: nn.Module, masks: deque[Array]) -> Iterator[Layer]:
    """The NumPy counterparts of a network's layers."""
    for module in network.children():
        match module:
            case nn.Linear():
                yield Dense(module.weight, module.bias)
            case nn.ReLU():
                yield ReLU()
            case nn.Sigmoid():
                yield Sigmoid()
            case layers.Dropout():
                yield Drop(module.keep_prob, masks)
            case Maxout():
                yield Dense(module.linear.weight, module.linear.bias)
                yield MaxPieces(module.pieces)
            case MaxoutConv():
                yield Conv(module.conv.weight, module.conv.bias, module.conv.padding[0])
                yield MaxPieces(module.pieces)
                yield Pool(module.pool.kernel_size, module.pool.stride)
            case nn.Unflatten():
                yield Reshape(*module.unflattened_size)
            case nn.Flatten():
                yield Reshape(-1)
            case nn.ConvTranspose2d():
                yield Deconv(module.weight, module.stride[0])
            case layers.UntiedBias():
                yield Bias(module.bias)
            case _:  # nn.Identity has no children.
                yield from layers_of(module, masks)


class Network:
    """A network in NumPy; `masks` are those that its dropout will take."""

    def __init__(self, network: nn.Module, masks: deque[Array]) -> None:
        self.layers = list(layers_of(network, masks))
        self.max_col_norm = getattr(network, "max_col_norm", None)

    def forward(self, x: Array, *c: Array) -> Array:
        self.shape = x.shape
        if c:  # one-hot labels, beside x
            x = np.concatenate([x.reshape(len(x), -1), *c], 1)
        for layer in self.layers:
            x = layer.forward(x)
        self.output_shape = x.shape
        return x

    def backward(self, delta: Array) -> Array:
        delta = delta.reshape(self.output_shape)
        for layer in reversed(self.layers):
            delta = layer.backward(delta)
        inputs = np.prod(self.shape[1:], dtype=int)
        return delta.reshape(len(delta), -1)[:, :inputs].reshape(self.shape)

    def update(self, lr: float, momentum: float) -> None:
        for layer in self.layers:
            layer.update(lr, momentum, self.max_col_norm)

    def assert_close(self, network: nn.Module, rtol: float) -> None:
        for expected, layer in zip(self.layers, layers_of(network, deque()), strict=True):
            for p, q in zip(layer.parameters, expected.parameters, strict=True):
                np.testing.assert_allclose(p, q, rtol=rtol, atol=rtol / 1000)


class Pair:
    """G and D, updated on recorded z; G's learning rate is `g_rate` times D's.

    A minibatch is x, or x and one-hot labels; generated examples have those, or recorded ones.
    """

    def __init__(
        self, g: nn.Module, d: nn.Module, masks: deque[Array],
        objective: str = "non_saturating", g_rate: float = 1,
    ) -> None:  # fmt: skip
        self.g, self.d = Network(g, masks), Network(d, masks)
        self.objective, self.g_rate = objective, g_rate
        self.fake_labels: deque[Array] | None = None

    def fake_condition(self, c: list[Array]) -> list[Array]:
        return c if self.fake_labels is None else [self.fake_labels.popleft()]

    def score(self, x: Array, c: list[Array], z: Array) -> Array:
        fake_c = self.fake_condition(c)
        return self.d.forward(both(x, self.g.forward(z, *fake_c)), *map(both, c, fake_c))

    def alternating(self, minibatches: list[Batch], z: deque[Array], rates: list[Rates]) -> None:
        for (x, *c), rate in zip(minibatches, rates, strict=True):
            self.update_d(self.score(x, c, z.popleft()), rate)
        c = self.fake_condition(c)
        logits = self.d.forward(self.g.forward(z.popleft(), *c), *c)
        self.update_g(self.d.backward(g_slope(logits, self.objective)), rate)

    def simultaneous(self, minibatches: list[Batch], z: deque[Array], rates: list[Rates]) -> None:
        ((x, *c),), (rate,) = minibatches, rates
        logits = self.score(x, c, z.popleft())
        slope = both(np.zeros((len(x), 1)), g_slope(logits[len(x) :], self.objective))
        at_fake = self.d.backward(slope)[len(x) :]
        self.update_d(logits, rate)
        self.update_g(at_fake, rate)

    def update_d(self, logits: Array, rate: Rates) -> None:
        self.d.backward(d_slope(logits))
        self.d.update(*rate)

    def update_g(self, at_fake: Array, rate: Rates) -> None:
        self.g.backward(at_fake)
        self.g.update(self.g_rate * rate[0], rate[1])


def both(x: Array, fake: Array) -> Array:
    return np.concatenate([x, fake.reshape(x.shape)])


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def d_slope(logits: Array) -> Array:
    """The derivative of half D's cross-entropy, by logits of a real and a generated half."""
    is_real = np.arange(len(logits)) < len(logits) // 2
    return (sigmoid(logits) - is_real[:, None]) / len(logits)


def g_slope(logits: Array, objective: str) -> Array:
    """The derivative of -E[log D(G(z))], or of E[log(1 - D(G(z)))]."""
    if objective == "non_saturating":
        return (sigmoid(logits) - 1) / len(logits)
    return -sigmoid(logits) / len(logits)
