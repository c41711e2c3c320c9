"""Layers in plain float64 NumPy and scipy.signal, each with its gradient; slow and obvious."""

import numpy as np
from scipy.signal import convolve2d, correlate2d

Array = np.ndarray


class Layer:
    """A layer with parameters, their velocities, and the gradients of the last backward pass."""

    def __init__(self, *parameters: Array) -> None:
        self.parameters = [p.astype(np.float64).copy() for p in parameters]
        self.velocities = [np.zeros_like(p) for p in self.parameters]
        self.gradients: list[Array] = []

    def update(self, lr: float, momentum: float, max_col_norm: float | None) -> None:
        for i, gradient in enumerate(self.gradients):
            self.velocities[i] = momentum * self.velocities[i] - lr * gradient
            self.parameters[i] += self.velocities[i]
        if max_col_norm is not None:
            self.bound(max_col_norm)

    def bound(self, c: float) -> None:
        """Scale down each unit's incoming weights; units run over the weight's first axis."""
        if self.parameters and self.parameters[0].ndim > 1:
            for row in self.parameters[0]:
                row *= min(1, c / np.linalg.norm(row))


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
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, delta: Array) -> Array:
        return delta * self.y * (1 - self.y)


class Linear(Layer):
    def forward(self, x: Array) -> Array:
        return x

    def backward(self, delta: Array) -> Array:
        return delta


class Drop(Layer):
    """Dropout with a mask that the test hands over before each forward pass."""

    def __init__(self, keep: float) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, x: Array) -> Array:
        return x * self.mask / self.keep

    def backward(self, delta: Array) -> Array:
        return delta.reshape(self.mask.shape) * self.mask / self.keep


class MaxPieces(Layer):
    """The maximum over pieces, the outer of (pieces, channels) along axis 1; ties share alike."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Array) -> Array:
        split = x.reshape(len(x), self.pieces, -1, *x.shape[2:])
        self.shape, self.winners = x.shape, split == split.max(1, keepdims=True)
        return split.max(1)

    def backward(self, delta: Array) -> Array:
        return (delta[:, None] * self.winners / self.winners.sum(1, keepdims=True)).reshape(
            self.shape
        )


class Reshape(Layer):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.to = shape

    def forward(self, x: Array) -> Array:
        self.before = x.shape
        return x.reshape(len(x), *self.to)

    def backward(self, delta: Array) -> Array:
        return delta.reshape(self.before)


class Conv(Layer):
    def __init__(self, w: Array, b: Array, pad: int) -> None:
        super().__init__(w, b)
        self.pad = pad

    def forward(self, x: Array) -> Array:
        p = self.pad
        self.x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        w, b = self.parameters
        return np.array(
            [
                [sum(correlate2d(i, k, "valid") for i, k in zip(image, unit, strict=True)) + bias
                 for unit, bias in zip(w, b, strict=True)]
                for image in self.x
            ]
        )  # fmt: skip

    def backward(self, delta: Array) -> Array:
        w, _ = self.parameters
        dw, dx = np.zeros_like(w), np.zeros_like(self.x)
        for n, o, c in np.ndindex(len(self.x), *w.shape[:2]):
            dw[o, c] += correlate2d(self.x[n, c], delta[n, o], "valid")
            dx[n, c] += convolve2d(delta[n, o], w[o, c], "full")
        self.gradients = [dw, delta.sum((0, 2, 3))]
        p = self.pad
        return dx[:, :, p : dx.shape[2] - p, p : dx.shape[3] - p]


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
        rows, columns = self.windows(x.shape[2]), self.windows(x.shape[3])
        return np.array([[x[:, :, r, c].max((2, 3)) for c in columns] for r in rows]).transpose(
            2, 3, 0, 1
        )

    def backward(self, delta: Array) -> Array:
        dx = np.zeros_like(self.x)
        rows, columns = self.windows(self.x.shape[2]), self.windows(self.x.shape[3])
        for n, c, i, j in np.ndindex(*delta.shape):
            window = self.x[n, c, rows[i], columns[j]]
            a, b = np.unravel_index(window.argmax(), window.shape)
            dx[n, c, rows[i].start + a, columns[j].start + b] += delta[n, c, i, j]
        return dx


class Deconv(Layer):
    """A transposed convolution without padding; its weight's first axis is the input's."""

    def __init__(self, w: Array, stride: int) -> None:
        super().__init__(w)
        self.stride = stride

    def bound(self, c: float) -> None:
        w = self.parameters[0]
        for o in range(w.shape[1]):
            w[:, o] *= min(1, c / np.linalg.norm(w[:, o]))

    def forward(self, x: Array) -> Array:
        n, c, h, w = x.shape
        s = self.stride
        self.up = np.zeros((n, c, (h - 1) * s + 1, (w - 1) * s + 1))
        self.up[:, :, ::s, ::s] = x
        kernel = self.parameters[0]
        return np.array(
            [
                [sum(convolve2d(self.up[i, j], kernel[j, o], "full") for j in range(c))
                 for o in range(kernel.shape[1])]
                for i in range(n)
            ]
        )  # fmt: skip

    def backward(self, delta: Array) -> Array:
        (w,), s = self.parameters, self.stride
        dw, dup = np.zeros_like(w), np.zeros_like(self.up)
        for n, c, o in np.ndindex(len(delta), *w.shape[:2]):
            dup[n, c] += correlate2d(delta[n, o], w[c, o], "valid")
            dw[c, o] += correlate2d(delta[n, o], self.up[n, c], "valid")
        self.gradients = [dw]
        return dup[:, :, ::s, ::s]


class Bias(Layer):
    def forward(self, x: Array) -> Array:
        return x + self.parameters[0]

    def backward(self, delta: Array) -> Array:
        self.gradients = [delta.sum(0)]
        return delta


def forward(layers: list[Layer], x: Array) -> Array:
    for layer in layers:
        x = layer.forward(x)
    return x


def backward(layers: list[Layer], delta: Array) -> Array:
    for layer in reversed(layers):
        delta = layer.backward(delta)
    return delta
