"""egobox as a peer: `Egor.suggest`, or `Belfegor.suggest` with several objectives, with its defaults.

`suggest` wants a design to begin with: a Latin hypercube of as many points as egobox's own loop takes, `max(d + 1, 5)`.
Several at a time are asked for as a batch (`QEiConfig`).

A point that failed is left out, which is its default strategy too; the one that learns from failures, `VIABILITY`, is for
its own loop alone: `suggest` ends with a panic where a value is NaN. While fewer than two succeeded the design goes on.
"""

import egobox
import numpy

from serve import serve


# No surrogate can be made of fewer points.
LEAST = 2


def specification(p):
    if p["type"] == "cat":
        return egobox.XSpec(egobox.XType.ENUM, tags=p["values"])
    kind = {"float": egobox.XType.FLOAT, "int": egobox.XType.INT}[p["type"]]
    return egobox.XSpec(kind, [p["lo"], p["hi"]])


def decoded(p, x):
    """egobox counts the choices, and rounding may have left the box by a bit."""
    if p["type"] == "cat":
        return p["values"][round(x)]
    x = min(max(x, p["lo"]), p["hi"])
    return round(x) if p["type"] == "int" else x


class Egobox:
    def __init__(self, spec, seed, batch):
        self.params, self.seed = spec["params"], seed
        self.outcomes = [outcome["name"] for outcome in spec["objectives"] + spec["constraints"]]
        xspecs = [specification(p) for p in self.params]
        self.xspecs, self.designs = xspecs, 0
        self.design = self.make_design()
        constraints = len(spec["constraints"])
        if len(spec["objectives"]) > 1:
            self.egor = egobox.Belfegor(xspecs, n_obj=len(spec["objectives"]), n_cstr=constraints)
        else:
            options = {"qei_config": egobox.QEiConfig(batch=batch)} if batch > 1 else {}
            self.egor = egobox.Egor(xspecs, n_cstr=constraints, **options)
        self.x, self.y, self.failures = [], [], 0

    def make_design(self):
        count = max(len(self.xspecs) + 1, 5)
        return list(egobox.lhs(self.xspecs, count, seed=1000 * self.designs + self.seed))

    def ask(self, n):
        if not self.design and len(self.y) < LEAST:
            self.designs += 1
            self.design = self.make_design()
        points = self.design[:n]
        self.design = self.design[n:]
        while len(points) < n:
            seed = 1000 * self.seed + len(self.x) + self.failures
            points += list(self.egor.suggest(numpy.array(self.x), numpy.array(self.y), seed=seed))
        values = ((x, zip(self.params, x.tolist())) for x in points[:n])
        return [(x, {p["name"]: decoded(p, v) for p, v in pairs}) for x, pairs in values]

    def tell(self, x, values):
        if None in values.values():
            self.failures += 1
            return
        self.x.append(x)
        self.y.append([values[name] for name in self.outcomes])

    def attach(self, params, values):
        self.design = []
        encoded = ((p, params[p["name"]]) for p in self.params)
        x = [p["values"].index(v) if p["type"] == "cat" else v for p, v in encoded]
        self.tell(numpy.array(x, dtype=float), values)

    def recommend(self):
        return None


if __name__ == "__main__":
    serve(Egobox)
