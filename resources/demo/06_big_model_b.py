#!/usr/bin/env python3
# Demo 6 of 8: trains model B. It and demo 5 each reserve more than half of the memory, so one waits for the other.
# tidegate: name="big model B" label=demo
"""Fits a small curve by gradient descent; it only says that it needs a lot of memory, and uses very little."""

import math
import random
from operator import mul

POINTS = 400
EPOCHS = 8
STEPS = 1100
DEGREE = 5


def features(x):
    return [x**power for power in range(DEGREE + 1)]


def loss(weights, points):
    return sum((sum(map(mul, weights, fs)) - y) ** 2 for fs, y in points) / len(points)


def step(weights, points, rate):
    slope = [0.0] * len(weights)
    for fs, y in points:
        error = sum(map(mul, weights, fs)) - y
        for index, f in enumerate(fs):
            slope[index] += 2 * error * f / len(points)
    return [weights[index] - rate * slope[index] for index in range(len(weights))]


def main():
    draw = random.Random(29)
    xs = [draw.uniform(-1, 1) for _ in range(POINTS)]
    points = [(features(x), math.sin(3 * x) + draw.gauss(0, 0.1)) for x in xs]
    weights = [0.0] * (DEGREE + 1)
    print(f"model B: {POINTS} points, {DEGREE + 1} weights", flush=True)
    for epoch in range(1, EPOCHS + 1):
        for _ in range(STEPS):
            weights = step(weights, points, rate=0.2)
        print(f"epoch {epoch} of {EPOCHS}: loss {loss(weights, points):.6f}", flush=True)
    print("weights: " + ", ".join(f"{w:+.4f}" for w in weights))


if __name__ == "__main__":
    main()
