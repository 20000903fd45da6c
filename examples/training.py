"""Trains a small neural network, with the standard library alone, and says how it goes as it goes.

Knows nothing of krige: options come on the command line, and after every epoch a line of JSON goes to standard output.

    python3 examples/training.py --rate 0.1 --momentum 0.9 --hidden 12 --decay 1e-5 --activation tanh
"""

import argparse
import json
import math
import random


def spiral(count, rng):
    """Points of two interleaved spirals, with the label of theirs."""
    points = []
    for i in range(count):
        label = i % 2
        turn = rng.random()
        angle = 1.25 * 2 * math.pi * turn + math.pi * label
        radius = 0.15 + 0.85 * turn
        x = radius * math.cos(angle) + rng.gauss(0, 0.03)
        y = radius * math.sin(angle) + rng.gauss(0, 0.03)
        points.append(((x, y), label))
    return points


ACTIVATIONS = {
    # The function, and its derivative in terms of its value.
    "tanh": (math.tanh, lambda a: 1 - a * a),
    "relu": (lambda z: max(z, 0.0), lambda a: 1.0 if a > 0 else 0.0),
    "sine": (math.sin, lambda a: math.sqrt(max(0.0, 1 - a * a))),
}


class Network:
    """Two inputs, one hidden layer, the probability of one label; trained by gradient descent with momentum."""

    def __init__(self, hidden, activation, rng):
        self.act, self.slope = ACTIVATIONS[activation]
        self.inner = [[rng.gauss(0, 2.0) for _ in range(3)] for _ in range(hidden)]
        self.outer = [rng.gauss(0, 1 / math.sqrt(hidden)) for _ in range(hidden + 1)]
        self.inner_speed = [[0.0] * 3 for _ in range(hidden)]
        self.outer_speed = [0.0] * (hidden + 1)

    def forward(self, x, y):
        hidden = [self.act(a * x + b * y + c) for a, b, c in self.inner]
        logit = self.outer[-1] + sum(w * h for w, h in zip(self.outer, hidden))
        return hidden, 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))

    def learn(self, x, y, label, rate, momentum, decay):
        hidden, probability = self.forward(x, y)
        error = probability - label
        for i, h in enumerate(hidden):
            back = error * self.outer[i] * self.slope(h)
            self.push(self.outer, self.outer_speed, i, error * h, rate, momentum, decay)
            for j, source in enumerate((x, y, 1.0)):
                self.push(self.inner[i], self.inner_speed[i], j, back * source, rate, momentum, decay)
        self.push(self.outer, self.outer_speed, len(hidden), error, rate, momentum, decay)

    @staticmethod
    def push(weights, speeds, i, gradient, rate, momentum, decay):
        speeds[i] = momentum * speeds[i] - rate * (gradient + decay * weights[i])
        weights[i] += speeds[i]

    def loss(self, points):
        """Mean cross-entropy in nats."""
        total = 0.0
        for (x, y), label in points:
            _, probability = self.forward(x, y)
            total -= math.log(max(1e-12, probability if label else 1 - probability))
        return total / len(points)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--momentum", type=float, required=True)
    parser.add_argument("--hidden", type=int, required=True)
    parser.add_argument("--decay", type=float, required=True)
    parser.add_argument("--activation", choices=sorted(ACTIVATIONS), required=True)
    parser.add_argument("--epochs", type=int, default=200)
    args = parser.parse_args()

    rng = random.Random(7)
    train, test = spiral(120, rng), spiral(120, rng)
    network = Network(args.hidden, args.activation, rng)
    for epoch in range(1, args.epochs + 1):
        rng.shuffle(train)
        rate = args.rate * (1 + math.cos(math.pi * (epoch - 1) / args.epochs)) / 2
        for (x, y), label in train:
            network.learn(x, y, label, rate, args.momentum, args.decay)
        loss = network.loss(test)
        if not math.isfinite(loss):
            raise SystemExit("the weights grew beyond all bounds")
        print(json.dumps({"progression": epoch, "loss": round(loss, 6)}), flush=True)


if __name__ == "__main__":
    main()
