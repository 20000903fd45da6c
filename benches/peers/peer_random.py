"""Uniform random search as a peer: what any optimizer has to beat, and a stand-in that needs nothing installed."""

import random

from serve import serve


def draw(p):
    if p["type"] == "cat":
        return random.choice(p["values"])
    return {"float": random.uniform, "int": random.randint}[p["type"]](p["lo"], p["hi"])


class Random:
    def __init__(self, spec, _seed, _batch):
        self.params = spec["params"]

    def ask(self, n):
        return [(None, {p["name"]: draw(p) for p in self.params}) for _ in range(n)]

    def tell(self, _token, _values):
        pass

    def attach(self, _params, _values):
        pass

    def recommend(self):
        return None


if __name__ == "__main__":
    serve(Random)
