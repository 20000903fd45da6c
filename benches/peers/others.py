"""More problems, on which krige is compared with its peers now and then: constraints above all, functions that lie along
no axis or are sums of functions of one dimension, noise, and two objectives. `compare.py regret --problems others` runs them.

Those with constraints are the usual ones of engineering design and of evolutionary computation (Liang et al. 2006, whose
numbers they have). Noise that an optimizer is not told of is a hundredth of what it is told of elsewhere, or less.
"""

from dataclasses import replace
from math import atan2, cos, exp, log, pi, prod, sin, sqrt

from problems import (
    Problem,
    ackley,
    box,
    branin,
    hartmann3,
    hartmann6,
    levy,
    rosenbrock,
    styblinski_tang,
    valley,
    zakharov,
)


def g4(x):
    a, b, c, d, e = x
    objective = 5.3578547 * c * c + 0.8356891 * a * e + 37.293239 * a - 40792.141
    u = 85.334407 + 0.0056858 * b * e + 0.0006262 * a * d - 0.0022053 * c * e
    v = 80.51249 + 0.0071317 * b * e + 0.0029955 * a * b + 0.0021813 * c * c
    w = 9.300961 + 0.0047026 * c * e + 0.0012547 * a * c + 0.0019085 * c * d
    return [objective, u - 92, -u, v - 110, 90 - v, w - 25, 20 - w]


def g6(x):
    a, b = x
    outside = 100 - (a - 5) ** 2 - (b - 5) ** 2
    return [(a - 10) ** 3 + (b - 20) ** 3, outside, (a - 6) ** 2 + (b - 5) ** 2 - 82.81]


def g9(x):
    a, b, c, d, e, f, g = x
    objective = (a - 10) ** 2 + 5 * (b - 12) ** 2 + c**4 + 3 * (d - 11) ** 2 + 10 * e**6
    return [
        objective + 7 * f * f + g**4 - 4 * f * g - 10 * f - 8 * g,
        2 * a * a + 3 * b**4 + c + 4 * d * d + 5 * e - 127,
        7 * a + 3 * b + 10 * c * c + d - e - 282,
        23 * a + b * b + 6 * f * f - 8 * g - 196,
        4 * a * a + b * b - 3 * a * b + 2 * c * c + 5 * f - 11 * g,
    ]


def g24(x):
    a, b = x
    lower = -2 * a**4 + 8 * a**3 - 8 * a * a + b - 2
    return [-a - b, lower, -4 * a**4 + 32 * a**3 - 88 * a * a + 96 * a + b - 36]


def welded_beam(x):
    """Thickness of the weld, its length, height and thickness of the bar; cost (Coello 2000)."""
    h, length, t, b = x
    load, span, elasticity, shear = 6000, 14, 30e6, 12e6
    radius = sqrt(length**2 / 4 + ((h + t) / 2) ** 2)
    polar = 2 * sqrt(2) * h * length * (length**2 / 12 + ((h + t) / 2) ** 2)
    first = load / (sqrt(2) * h * length)
    second = load * (span + length / 2) * radius / polar
    stress = sqrt(first**2 + first * second * length / radius + second**2)
    buckling = 4.013 * elasticity * t * b**3 / (6 * span**2) * (1 - t / (2 * span) * sqrt(elasticity / (4 * shear)))
    cost = 1.10471 * h * h * length + 0.04811 * t * b * (14 + length)
    return [
        cost,
        stress - 13600,
        6 * load * span / (b * t * t) - 30000,
        h - b,
        4 * load * span**3 / (elasticity * t**3 * b) - 0.25,
        load - buckling,
    ]


def spring(x):
    """Diameters of wire and coil, and how many coils; weight (Arora 2004)."""
    d, D, n = x
    return [
        (n + 2) * D * d * d,
        1 - D**3 * n / (71785 * d**4),
        (4 * D * D - d * D) / (12566 * (D * d**3 - d**4)) + 1 / (5108 * d * d) - 1,
        1 - 140.45 * d / (D * D * n),
        (d + D) / 1.5 - 1,
    ]


def townsend(x):
    a, b = x
    t = atan2(a, b)
    bound = (2 * cos(t) - cos(2 * t) / 2 - cos(3 * t) / 4 - cos(4 * t) / 8) ** 2 + (2 * sin(t)) ** 2
    return [-(cos((a - 0.1) * b) ** 2) - a * sin(3 * a + b), a * a + b * b - bound]


def mishra(x):
    """The bird of Mishra (2006)."""
    a, b = x
    bird = sin(b) * exp((1 - cos(a)) ** 2) + cos(a) * exp((1 - sin(b)) ** 2) + (a - b) ** 2
    return [bird, (a + 5) ** 2 + (b + 5) ** 2 - 25]


def keane(x):
    """The bump of Keane (1994)."""
    waves = sum(cos(x) ** 4 for x in x) - 2 * prod(cos(x) ** 2 for x in x)
    bump = abs(waves) / sqrt(sum(i * x * x for i, x in enumerate(x, 1)) + 1e-12)
    return [-bump, 0.75 - prod(x), sum(x) - 7.5 * len(x)]


def in_a_ball(function, radius, centre=0.0):
    return lambda x: function(x) + [sum((x - centre) ** 2 for x in x) - radius**2]


def ackley_bounded(x):
    """Of Eriksson and Poloczek (2021)."""
    return ackley(x) + [sum(x), sqrt(sum(x * x for x in x)) - 5]


def turned(function, centre):
    """A function reflected at the plane through the centre of its box whose normal vector is 1, 2, ..., d."""

    def value(x):
        norm = sum(i * i for i in range(1, len(x) + 1))
        along = sum(i * (x - c) for i, (x, c) in enumerate(zip(x, centre), 1))
        return function([x - 2 * along / norm * i for i, x in enumerate(x, 1)])

    return value


def camel(x):
    a, b = x
    return [(4 - 2.1 * a * a + a**4 / 3) * a * a + a * b + (4 * b * b - 4) * b * b]


def goldstein_price_logarithm(x):
    a, b = x
    first = 1 + (a + b + 1) ** 2 * (19 - 14 * a + 3 * a * a - 14 * b + 6 * a * b + 3 * b * b)
    second = 30 + (2 * a - 3 * b) ** 2 * (18 - 32 * a + 12 * a * a + 48 * b - 36 * a * b + 27 * b * b)
    return [log(first * second)]


def powell(x):
    a, b, c, d = x
    return [(a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4]


def dixon_price(x):
    return [(x[0] - 1) ** 2 + sum(i * (2 * b * b - a) ** 2 for i, (a, b) in enumerate(zip(x, x[1:]), 2))]


def colville(x):
    a, b, c, d = x
    between = 10.1 * ((b - 1) ** 2 + (d - 1) ** 2) + 19.8 * (b - 1) * (d - 1)
    return [100 * (a * a - b) ** 2 + (a - 1) ** 2 + (c - 1) ** 2 + 90 * (c * c - d) ** 2 + between]


def trid(x):
    return [sum((x - 1) ** 2 for x in x) - sum(a * b for a, b in zip(x, x[1:]))]


def friedman(x):
    """Friedman's (1991) regression function, whose least value is where the first two are at opposite ends."""
    return [10 * sin(pi * x[0] * x[1]) + 20 * (x[2] - 0.5) ** 2 + 10 * x[3] + 5 * x[4]]


def decades(x):
    """A quadratic of logarithms, of which the second and the third act together."""
    a, b, c = (log(x, 10) for x in x)
    return [(a + 2.3) ** 2 + 10 * (b + c - 0.4) ** 2 + 0.5 * (b - c - 1.1) ** 2]


def drop_wave(x):
    square = x[0] ** 2 + x[1] ** 2
    return [-(1 + cos(12 * sqrt(square))) / (0.5 * square + 2)]


def rastrigin(x):
    return [sum(x * x + 10 - 10 * cos(2 * pi * x) for x in x)]


def schwefel(x):
    return [sum(418.9828872724338 - x * sin(sqrt(abs(x))) for x in x)]


def michalewicz(x):
    return [-sum(sin(x) * sin(i * x * x / pi) ** 20 for i, x in enumerate(x, 1))]


def alpine(x):
    return [sum(abs(x * sin(x) + 0.1 * x) for x in x)]


def cosine_mixture(x):
    return [sum(x * x + 0.1 - 0.1 * cos(5 * pi * x) for x in x)]


def effects(x):
    """Of a temperature, an excess and the logarithm of a time, and of a solvent and a base that are chosen: main effects, and
    one small interaction."""
    temperature, excess, time, solvent, base = x
    of_solvent = {"a": 0.9, "b": 0.0, "c": 1.4, "d": 0.5}[solvent]
    of_base = {"k": 0.3, "l": 1.1, "m": 0.0}[base]
    curves = ((temperature - 78) / 25) ** 2 + 2 * exp(-1.5 * excess) + (log(time, 10) - 1.2) ** 2
    return [curves + of_solvent + of_base + 0.2 * (solvent == "c") * (base == "k")]


def zdt(front):
    """Problems of Zitzler, Deb and Thiele (2000)."""

    def value(x):
        g = 1 + 9 * sum(x[1:]) / (len(x) - 1)
        return [x[0], g * front(x[0] / g)]

    return value


def fonseca(x):
    """Of Fonseca and Fleming (1995), VLMOP2 to others."""
    by = 1 / sqrt(len(x))
    return [1 - exp(-sum((x - s * by) ** 2 for x in x)) for s in (1, -1)]


def binh_korn(x):
    a, b = x
    far = 7.7 - (a - 8) ** 2 - (b + 3) ** 2
    return [4 * a * a + 4 * b * b, (a - 5) ** 2 + (b - 5) ** 2, (a - 5) ** 2 + b * b - 25, far]


def srinivas(x):
    a, b = x
    return [(a - 2) ** 2 + (b - 1) ** 2 + 2, 9 * a - (b - 1) ** 2, a * a + b * b - 225, a - 3 * b + 10]


def _all():
    branin_box, unit6 = box((-5, 10), (0, 15)), box(*[(0, 1)] * 6)
    branin_best, hartmann6_best = 0.39788735772973816, -3.322368011415515
    decade = tuple({**p, "log": True} for p in box(*[(1e-4, 1e2)] * 3))
    constrained = [
        Problem("g4", 50, box((78, 102), (33, 45), *[(27, 45)] * 3), g4, -30665.538671783, constraints=6),
        Problem("g6", 30, box((13, 100), (0, 100)), g6, -6961.81387558015, constraints=2),
        Problem("g9", 60, box(*[(-10, 10)] * 7), g9, 680.630057374402, constraints=4),
        Problem("g24", 30, box((0, 3), (0, 4)), g24, -5.508013271595355, constraints=2),
        Problem(
            "welded_beam",
            50,
            box((0.125, 2), (0.1, 10), (0.1, 10), (0.1, 2)),
            welded_beam,
            1.724852308597,
            constraints=5,
        ),
        Problem("spring", 40, box((0.05, 2), (0.25, 1.3), (2, 15)), spring, 0.01266523278831942, constraints=4),
        Problem("townsend", 30, box((-2.25, 2.5), (-2.5, 1.75)), townsend, -2.02398836232576, constraints=1),
        Problem("mishra", 30, box((-10, 0), (-6.5, 0)), mishra, -106.76453674926475, constraints=1),
        Problem("keane4", 50, box(*[(0, 10)] * 4), keane, -0.6222810255677916, constraints=2),
        Problem("ackley5_bounded", 50, box(*[(-5, 10)] * 5), ackley_bounded, 0.0, constraints=2),
        Problem("branin_ball", 25, branin_box, in_a_ball(branin, 7, 5.0), branin_best, constraints=1),
        Problem("hartmann6_ball", 50, unit6, in_a_ball(hartmann6, 1), hartmann6_best, constraints=1),
        Problem("rosenbrock_ball", 30, box(*[(-1.5, 1.5)] * 2), in_a_ball(rosenbrock, sqrt(2)), 0.0, constraints=1),
    ]
    smooth = [
        Problem("hartmann6_turned", 50, unit6, turned(hartmann6, [0.5] * 6), hartmann6_best),
        Problem("rosenbrock4_turned", 50, box(*[(-5, 10)] * 4), turned(rosenbrock, [1.0] * 4)),
        Problem("ackley5_turned", 50, box(*[(-5, 10)] * 5), turned(ackley, [2.5] * 5)),
        Problem("camel", 25, box((-2, 2), (-1, 1)), camel, -1.031628453489877),
        Problem("goldstein_log", 25, box(*[(-2, 2)] * 2), goldstein_price_logarithm, log(3)),
        Problem("powell4", 50, box(*[(-4, 5)] * 4), powell),
        Problem("friedman", 40, box(*[(0, 1)] * 5), friedman, 0.0),
        Problem("decades", 30, decade, decades),
        Problem("drop_wave", 40, box(*[(-5, 4)] * 2), drop_wave, -1.0),
        Problem("rosenbrock2", 25, box(*[(-5, 10)] * 2), rosenbrock),
        Problem("rosenbrock2_near", 25, box(*[(-2, 2)] * 2), rosenbrock),
        Problem("dixon_price2", 25, box(*[(-10, 10)] * 2), dixon_price),
        Problem("zakharov2", 25, box(*[(-5, 10)] * 2), zakharov),
        Problem("colville", 50, box(*[(-10, 10)] * 4), colville),
        Problem("trid5", 40, box(*[(-25, 25)] * 5), trid, -30.0),
        Problem("levy4", 40, box(*[(-5, 10)] * 4), levy),
    ]
    chosen = (
        *box((20, 120), (0.5, 3)),
        {"name": "time", "type": "float", "lo": 1, "hi": 100, "log": True},
        {"name": "solvent", "type": "cat", "values": ["a", "b", "c", "d"]},
        {"name": "base", "type": "cat", "values": ["k", "l", "m"]},
    )
    sums = [
        Problem("rastrigin2", 40, box(*[(-4, 5)] * 2), rastrigin),
        Problem("rastrigin4", 60, box(*[(-4, 5)] * 4), rastrigin),
        Problem("schwefel3", 50, box(*[(-500, 500)] * 3), schwefel),
        Problem("styblinski4", 40, box(*[(-5, 5)] * 4), styblinski_tang, 4 * -39.16616570377142),
        Problem("michalewicz5", 50, box(*[(0, pi)] * 5), michalewicz, -4.687658179088149),
        Problem("alpine4", 50, box(*[(-8, 10)] * 4), alpine),
        Problem("cosine8_moved", 50, box(*[(-0.8, 1.15)] * 8), cosine_mixture),
        Problem("effects", 30, chosen, effects, 2 * exp(-4.5)),
    ]
    bowl = Problem("valley3", 30, box(*[(-4, 6)] * 3), valley)
    noisy = [
        replace(bowl, name="valley3_noisy", noise=5.0),
        Problem("valley6_noisy", 50, box(*[(-4, 6)] * 6), valley, noise=20.0),
        Problem("zakharov4_noisy", 40, box(*[(-5, 10)] * 4), zakharov, noise=5.0),
        Problem("hartmann3_noisy", 30, box(*[(0, 1)] * 3), hartmann3, -3.862779787332663, noise=0.1),
    ]
    # Noise that nobody is told of.
    little = [("branin", 0.02), ("hartmann6", 1e-3), ("hartmann3", 1e-3), ("valley3", 0.05)]
    bases = {
        "branin": Problem("", 25, branin_box, branin, branin_best),
        "hartmann6": Problem("", 50, unit6, hartmann6, hartmann6_best),
        "hartmann3": Problem("", 30, box(*[(0, 1)] * 3), hartmann3, -3.862779787332663),
        "valley3": bowl,
    }
    untold = [replace(bases[name], name=f"{name}_untold", noise=by, is_told=False) for name, by in little]
    # The hypervolumes are integrals over the known fronts, of `test_others.py`.
    several = [
        Problem("zdt1", 40, unit6, zdt(lambda t: 1 - sqrt(t)), 120.0 + 2 / 3, reference=(11.0, 11.0)),
        Problem("zdt2", 40, unit6, zdt(lambda t: 1 - t * t), 120.0 + 1 / 3, reference=(11.0, 11.0)),
        Problem("fonseca2", 40, box(*[(-2, 2)] * 2), fonseca, 0.34211559312155115, reference=(1.0, 1.0)),
        Problem("binh_korn", 40, box((0, 5), (0, 3)), binh_korn, 5285 + 1 / 3, reference=(140.0, 50.0), constraints=2),
        Problem(
            "srinivas",
            40,
            box(*[(-20, 20)] * 2),
            srinivas,
            30694.76055515534,
            reference=(250.0, 0.0),
            constraints=2,
        ),
    ]
    return constrained + smooth + sums + noisy + untold + several


OTHERS = {problem.name: problem for problem in _all()}
