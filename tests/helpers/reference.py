"""The game in plain float64 NumPy, from the paper's formulas; slow and obvious."""

from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray
Layers = list[tuple[Array, Array]]


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


@dataclass
class Player:
    layers: Layers
    velocity: list[list[Array]] = field(default_factory=list)

    def update(self, gradients: Layers, lr: float, momentum: float) -> None:
        if not self.velocity:
            self.velocity = [[np.zeros_like(p) for p in layer] for layer in self.layers]
        for layer, gradient, velocity in zip(self.layers, gradients, self.velocity, strict=True):
            for i in range(2):
                velocity[i] = momentum * velocity[i] - lr * gradient[i]
                layer[i][...] += velocity[i]


def generate(g: Layers, z: Array) -> tuple[Array, list[Array]]:
    """ReLU layers, then a sigmoid one; returns samples and every layer's input."""
    inputs = [z]
    for w, b in g[:-1]:
        inputs.append(np.maximum(inputs[-1] @ w.T + b, 0))
    w, b = g[-1]
    return sigmoid(inputs[-1] @ w.T + b), inputs


def generate_backward(g: Layers, x: Array, inputs: list[Array], at_x: Array) -> Layers:
    gradients: Layers = []
    delta = at_x * x * (1 - x)
    for (w, _), h in zip(reversed(g), reversed(inputs), strict=True):
        gradients.insert(0, (delta.T @ h, delta.sum(0)))
        delta = (delta @ w) * (h > 0)
    return gradients


def judge(d: Layers, x: Array, masks: list[Array], keeps: list[float], pieces: int):
    """Maxout layers, then a linear unit, each behind dropout; returns logits and a tape."""
    tape, h = [], x
    for (w, b), mask, keep in zip(d[:-1], masks, keeps, strict=False):
        dropped = h * mask / keep
        a = (dropped @ w.T + b).reshape(len(x), pieces, -1)
        winner = a.argmax(1)
        h = np.take_along_axis(a, winner[:, None], 1)[:, 0]
        tape.append((dropped, winner, mask / keep))
    w, b = d[-1]
    dropped = h * masks[-1] / keeps[-1]
    tape.append((dropped, None, masks[-1] / keeps[-1]))
    return (dropped @ w.T + b)[:, 0], tape


def judge_backward(d: Layers, tape, at_logit: Array, pieces: int) -> tuple[Layers, Array]:
    gradients: Layers = []
    delta = at_logit[:, None]
    for (w, _), (dropped, winner, scale) in zip(reversed(d), reversed(tape), strict=True):
        if winner is not None:
            spread = np.zeros((len(delta), pieces, delta.shape[1]))
            np.put_along_axis(spread, winner[:, None], delta[:, None], 1)
            delta = spread.reshape(len(delta), -1)
        gradients.insert(0, (delta.T @ dropped, delta.sum(0)))
        delta = (delta @ w) * scale
    return gradients, delta


def d_slope(logits: Array, real: bool) -> Array:
    """Derivative of 0.5 * BCE(1 or 0, sigmoid(logit)), a mean over the minibatch."""
    return 0.5 * (sigmoid(logits) - (1 if real else 0)) / len(logits)


def g_slope(logits: Array, objective: str) -> Array:
    """Derivative of -log D(G(z)), or of log(1 - D(G(z))), a mean over the minibatch."""
    if objective == "non_saturating":
        return (sigmoid(logits) - 1) / len(logits)
    return -sigmoid(logits) / len(logits)
