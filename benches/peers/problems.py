"""What is optimized: functions with known optima, all to be minimized, with a budget, noise and box.

The functions are those of `crates/krige-testkit/src/functions.rs`, and the problems those of
`benches/regret/problems.rs`: the same boxes, the same moved boxes and the same noise for the same seed. A test
(`tests/it/peers.rs`) compares both: as a program this reads a JSON list of `[name, seed, points]` from its standard
input, the seed being that of a moved box or null and a point the list of the parameters' values, and tells each problem
with its outcomes.
"""

import json
import sys
from dataclasses import dataclass, replace
from math import cos, e, exp, floor, inf, log, pi, prod, sin, sqrt, tau


class SplitMix:
    """The SplitMix64 generator of Steele, Lea and Flood (2014), seeded as `krige_testkit::SplitMix`."""

    MASK = 2**64 - 1

    def __init__(self, *seeds):
        self.state = 0
        for seed in seeds:
            self.state ^= seed
            self.state = self.next()

    def next(self):
        """Draws 64 bits."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & self.MASK
        bits = self.state
        bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & self.MASK
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & self.MASK
        return bits ^ (bits >> 31)

    def uniform(self):
        """Draws uniformly from [0, 1)."""
        return (self.next() >> 11) / 2**53

    def normal(self):
        """Draws from the standard normal distribution (Box and Muller 1958)."""
        a, b = 1 - self.uniform(), self.uniform()
        return sqrt(-2 * log(a)) * cos(tau * b)


def branin(x):
    valley = x[1] - 5.1 / (4 * pi * pi) * x[0] * x[0] + 5 / pi * x[0] - 6
    return [valley * valley + 10 * (1 - 1 / (8 * pi)) * cos(x[0]) + 10]


def himmelblau(x):
    return [(x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2]


def hartmann(a, p):
    """The function of a matrix of scales and one of centres, in units of 1e-4."""

    def value(x):
        bumps = (exp(-sum(s * (x - 1e-4 * c) ** 2 for s, c, x in zip(*row, x))) for row in zip(a, p))
        return [-sum(weight * bump for weight, bump in zip((1.0, 1.2, 3.0, 3.2), bumps))]

    return value


hartmann3 = hartmann(
    [(3, 10, 30), (0.1, 10, 35), (3, 10, 30), (0.1, 10, 35)],
    [(3689, 1170, 2673), (4699, 4387, 7470), (1091, 8732, 5547), (381, 5743, 8828)],
)
hartmann6 = hartmann(
    [
        (10, 3, 17, 3.5, 1.7, 8),
        (0.05, 10, 17, 0.1, 8, 14),
        (3, 3.5, 1.7, 10, 17, 8),
        (17, 8, 0.05, 10, 0.1, 14),
    ],
    [
        (1312, 1696, 5569, 124, 8283, 5886),
        (2329, 4135, 8307, 3736, 1004, 9991),
        (2348, 1451, 3522, 2883, 3047, 6650),
        (4047, 8828, 8732, 5743, 1091, 381),
    ],
)


def rosenbrock(x):
    return [sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))]


def hartmann3_in_steps(x):
    return hartmann3([floor(8 * x + 0.5) / 8 for x in x])


def valley(x):
    last = len(x) - 1
    norm = sum(i * i for i in range(1, len(x) + 1))
    along = sum(i * x for i, x in enumerate(x, 1))
    reflected = (x - 2 * along / norm * i for i, x in enumerate(x, 1))
    return [sum(1000 ** (i / last) * x * x for i, x in enumerate(reflected))]


def zakharov(x):
    along = sum(0.5 * i * x for i, x in enumerate(x, 1))
    return [sum(x * x for x in x) + along**2 + along**4]


def ackley(x):
    def mean(f):
        return sum(map(f, x)) / len(x)

    funnel = -20 * exp(-0.2 * sqrt(mean(lambda x: x * x)))
    return [funnel - exp(mean(lambda x: cos(tau * x))) + 20 + e]


def levy(x):
    *rest, last = (1 + (x - 1) / 4 for x in x)
    first = (rest or [last])[0]
    between = sum((w - 1) ** 2 * (1 + 10 * sin(pi * w + 1) ** 2) for w in rest)
    return [sin(pi * first) ** 2 + between + (last - 1) ** 2 * (1 + sin(tau * last) ** 2)]


def griewank(x):
    ripples = prod(cos(x / sqrt(i)) for i, x in enumerate(x, 1))
    return [sum(x * x for x in x) / 4000 - ripples + 1]


def styblinski_tang(x):
    return [sum(x**4 - 16 * x * x + 5 * x for x in x) / 2]


def gramacy(x):
    """Gramacy et al. (2016, eq. 5)."""
    wave = 1.5 - x[0] - 2 * x[1] - 0.5 * sin(tau * (x[0] ** 2 - 2 * x[1]))
    return [x[0] + x[1], wave, x[0] ** 2 + x[1] ** 2 - 1.5]


def fails(function):
    """Fails, with None, where a constraint is broken: nobody is told of them."""

    def value(x):
        objective, *constraints = function(x)
        return [None if any(c > 0 for c in constraints) else objective]

    return value


def branin_bounded(x):
    return branin(x) + [x[0] + x[1] - 11, -2.5 - x[0]]


def hartmann6_bounded(x):
    return hartmann6(x) + [sum(x) - 2.6, x[0] * x[1] - 0.3]


def gardner(x):
    """The first simulated problem of Gardner et al. (2014)."""
    return [cos(2 * x[0]) * cos(x[1]) + sin(x[0]), cos(x[0] + x[1]) - 0.5]


def branin_currin(x):
    """Branin on the unit square, and the exponential function of Currin et al. (1991)."""
    a, b = x
    damping = 1 - exp(-1 / (2 * b)) if b > 0 else 1
    ratio = (2300 * a**3 + 1900 * a**2 + 2092 * a + 60) / (100 * a**3 + 500 * a**2 + 4 * a + 20)
    return branin([15 * a - 5, 15 * b]) + [damping * ratio]


CHOICES = {
    "c5": {"a": 0.8, "b": -1.2, "c": 0.0, "d": 1.7, "e": -0.5},
    "c3": {"u": 1.0, "v": 0.0, "w": -0.7},
}


def ackley_mixed(x):
    """Ackley in 5 parameters: two numbers, a whole number (of halves), two unordered choices."""
    return ackley([x[0], x[1], 0.5 * x[2], CHOICES["c5"][x[3]], CHOICES["c3"][x[4]]])


def bowl(x):
    """What suggestions are timed on, as in `benches/suggest.rs`: smooth, with a ripple along the first axis."""
    return [sum((x - 0.3) ** 2 for x in x) - 0.1 * sin(7 * x[0])]


@dataclass(frozen=True)
class Problem:
    """Something to be minimized, with what it may cost.

    `function` takes the values of the parameters in their order, and gives objectives, then constraints, feasible where
    at most 0, or None where it fails. `best` is the least feasible value, or with several objectives the largest
    hypervolume over `reference`.
    `minimizers` are needed where the box may be moved. `in_ranges` is set where values are shares of their range, and
    `is_told` is not where an optimizer is not told of the noise.
    """

    name: str
    trials: int
    parameters: tuple
    function: object
    best: float = 0.0
    minimizers: tuple = ()
    batch: int = 1
    noise: float = 0.0
    constraints: int = 0
    reference: tuple = None
    in_ranges: bool = False
    is_told: bool = True

    def names(self):
        """The outcomes, in the order in which `function` gives them."""
        objectives = ["y1", "y2"] if self.reference else ["y"]
        return objectives + [f"c{i + 1}" for i in range(self.constraints)]

    def spec(self):
        """What an optimizer is told, as in `docs/stdio.md`."""
        names = self.names()
        split = len(names) - self.constraints
        return {
            "name": self.name,
            "params": list(self.parameters),
            "objectives": [{"name": name, "minimize": True} for name in names[:split]],
            "constraints": [{"name": name, "op": "<=", "bound": 0.0} for name in names[split:]],
            "noisy": self.noise > 0 and self.is_told,
            "reference_point": self.reference and list(self.reference),
        }

    def evaluate(self, parameters):
        """The true outcomes, in the order of `names`."""
        return self.function([parameters[p["name"]] for p in self.parameters])

    def shifted(self, seed):
        """The box with each side moved by up to a fifth of its width, a minimizer at least a twentieth inside of it."""
        random = SplitMix(seed, 0x5411F7)
        while True:
            box = []
            for p in self.parameters:
                by = (p["hi"] - p["lo"]) * (0.4 * random.uniform() - 0.2)
                box.append((p["lo"] + by, p["hi"] + by))
            for minimizer in self.minimizers:
                if all(0.05 <= (x - lo) / (hi - lo) <= 0.95 for x, (lo, hi) in zip(minimizer, box)):
                    moved = ({**p, "lo": lo, "hi": hi} for p, (lo, hi) in zip(self.parameters, box))
                    return replace(self, parameters=tuple(moved))

    def regret(self, outcomes, recommended):
        """How far a run is from the best possible: `outcomes` are the true ones of its points, in order.

        Without noise it is that of the best feasible point, infinite if there is none; with noise that of the true
        outcomes at the point recommended in the end. A constraint may be missed by 1e-6.
        """
        if self.reference:
            return self.best - hypervolume(outcomes, self.reference)
        if self.noise:
            outcomes = [recommended]
        split = len(self.names()) - self.constraints
        succeeded = (y for y in outcomes if y[0] is not None)
        feasible = (y[0] for y in succeeded if all(c <= TOLERANCE for c in y[split:]))
        return min(feasible, default=inf) - self.best


# By how much a constraint may be missed: some optimizers stay inside, others allow as much themselves.
TOLERANCE = 1e-6


def hypervolume(points, reference):
    """The area between a reference point and the points below it in both of two objectives."""
    area, height = 0.0, reference[1]
    for a, b in sorted(p[:2] for p in points if p[0] < reference[0]):
        if b < height:
            area += (reference[0] - a) * (height - b)
            height = b
    return area


def box(*bounds):
    sides = enumerate(bounds, 1)
    return tuple({"name": f"x{i}", "type": "float", "lo": float(a), "hi": float(b)} for i, (a, b) in sides)


def attached(n, d):
    """What is timed after `n` observations of [0, 1]^d; see `benches/peers/runs.py`."""
    return Problem(f"n{n}_d{d}", n, box(*[(0, 1)] * d), bowl)


def _all():
    branin_box, unit6 = box((-5, 10), (0, 15)), box(*[(0, 1)] * 6)
    branin_best = (0.39788735772973816, ((-pi, 12.275), (pi, 2.275), (3 * pi, 2.475)))
    himmelblau_minimizers = (
        (3.0, 2.0),
        (-2.805118086952745, 3.131312518250573),
        (-3.779310253377747, -3.2831859912861696),
        (3.5844283403304917, -1.8481265269644036),
    )
    hartmann3_best = (-3.862779787332663, ((0.11458887667896793, 0.5556488946177784, 0.8525469846866866),))
    hartmann6_best = (
        -3.322368011415515,
        (
            (
                0.2016895110051255,
                0.15001069182477694,
                0.4768739742227324,
                0.2753324304938105,
                0.31165161660081936,
                0.6573005340652529,
            ),
        ),
    )
    mixed = (
        *box((-1, 1.6), (-1.7, 1)),
        {"name": "k", "type": "int", "lo": -3, "hi": 6},
        *({"name": name, "type": "cat", "values": list(values)} for name, values in CHOICES.items()),
    )
    return [
        Problem("branin", 25, branin_box, branin, *branin_best),
        Problem("himmelblau", 25, box(*[(-5, 5)] * 2), himmelblau, 0.0, himmelblau_minimizers),
        Problem("hartmann3", 30, box(*[(0, 1)] * 3), hartmann3, *hartmann3_best),
        Problem("hartmann6", 50, unit6, hartmann6, *hartmann6_best),
        Problem("hartmann6_q3", 30, unit6, hartmann6, *hartmann6_best, batch=3),
        Problem("rosenbrock4", 50, box(*[(-5, 10)] * 4), rosenbrock, 0.0, ((1.0,) * 4,)),
        Problem("ackley5", 50, box(*[(-5, 10)] * 5), ackley, 0.0, ((0.0,) * 5,)),
        Problem("levy8", 50, box(*[(-5, 10)] * 8), levy, 0.0, ((1.0,) * 8,)),
        Problem("griewank5", 50, box(*[(-300, 600)] * 5), griewank, 0.0, ((0.0,) * 5,)),
        Problem(
            "styblinski6",
            50,
            box(*[(-5, 5)] * 6),
            styblinski_tang,
            6 * -39.16616570377142,
            ((-2.9035340277254935,) * 6,),
        ),
        Problem("valley3", 30, box(*[(-4, 6)] * 3), valley, 0.0, ((0.0,) * 3,)),
        Problem("valley6", 50, box(*[(-4, 6)] * 6), valley, 0.0, ((0.0,) * 6,)),
        Problem("zakharov4", 40, box(*[(-5, 10)] * 4), zakharov, 0.0, ((0.0,) * 4,)),
        Problem(
            "hartmann3_steps",
            30,
            box(*[(0, 1)] * 3),
            hartmann3_in_steps,
            -3.6973658329698718,
            ((0.125, 0.5, 0.875),),
        ),
        Problem("branin_noisy", 25, branin_box, branin, *branin_best, noise=2.0),
        Problem("hartmann6_noisy", 50, unit6, hartmann6, *hartmann6_best, noise=0.1),
        Problem("rosenbrock4_noisy", 50, box(*[(-5, 10)] * 4), rosenbrock, 0.0, ((1.0,) * 4,), noise=20.0),
        Problem("gramacy", 30, box(*[(0, 1)] * 2), gramacy, 0.5997880520100676, constraints=2),
        Problem("gardner", 30, box(*[(0, 6)] * 2), gardner, -2.0, constraints=1),
        Problem("ackley_mixed", 40, mixed, ackley_mixed),
        Problem("branin_fails", 25, branin_box, fails(branin_bounded), branin_best[0]),
        Problem("hartmann6_fails", 50, unit6, fails(hartmann6_bounded), hartmann6_best[0]),
        Problem("gramacy_fails", 30, box(*[(0, 1)] * 2), fails(gramacy), 0.5997880520100676),
        # The hypervolume of the front, as Balandat et al. (2020) have it in BoTorch.
        Problem("branin_currin", 40, box(*[(0, 1)] * 2), branin_currin, 59.36011874867746, reference=(18.0, 6.0)),
    ]


PROBLEMS = {problem.name: problem for problem in _all()}


def told(name, seed, points):
    problem = PROBLEMS[name] if seed is None else PROBLEMS[name].shifted(seed)
    told = {key: getattr(problem, key) for key in ("trials", "batch", "noise", "best")}
    told["box"] = [[p["lo"], p["hi"]] for p in problem.parameters if "lo" in p]
    return told | {"outcomes": [problem.function(point) for point in points]}


if __name__ == "__main__":
    print(json.dumps([told(*asked) for asked in json.load(sys.stdin)]))
