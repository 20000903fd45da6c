"""More problems against their known optima and fronts."""

import unittest
from math import pi, sqrt

from others import OTHERS
from problems import PROBLEMS, hypervolume

# Of the literature that `others.py` names, polished with SciPy's SLSQP where it is a few digits.
MINIMIZERS = {
    "g4": [78.0, 33.0, 29.99525602568160, 45.0, 36.77581290578821],
    "g6": [14.095, 0.8429607892154796],
    "g9": [
        2.33049935147405174,
        1.95137236847114592,
        -0.477541399510615805,
        4.36572624923625874,
        -0.624486959100388983,
        1.03813099410962173,
        1.5942266780671519,
    ],
    "g24": [2.329520197477623, 3.178493074117739],
    "welded_beam": [0.205729639786, 3.470488665628, 9.036623910357, 0.205729639786],
    "spring": [0.05168906109795966, 0.35671774016502156, 11.288965730180484],
    "townsend": [2.00529272553671, 1.1944528657882652],
    "mishra": [-3.13024681, -1.58214217],
    "keane4": [3.065317933618542, 1.5310470194665522, 0.405617355144491, 0.3939859005040325],
    "ackley5_bounded": [0.0] * 5,
    "branin_ball": [pi, 2.275],
    "hartmann6_ball": list(PROBLEMS["hartmann6"].minimizers[0]),
    "rosenbrock_ball": [1.0, 1.0],
    "camel": [0.08984201368301331, -0.7126564032704135],
    "goldstein_log": [0.0, -1.0],
    "powell4": [0.0] * 4,
    "friedman": [0.0, 0.5, 0.5, 0.0, 0.0],
    "drop_wave": [0.0, 0.0],
    "rosenbrock2": [1.0, 1.0],
    "rosenbrock2_near": [1.0, 1.0],
    "dixon_price2": [1.0, sqrt(0.5)],
    "zakharov2": [0.0, 0.0],
    "colville": [1.0] * 4,
    "trid5": [5.0, 8.0, 9.0, 8.0, 5.0],
    "levy4": [1.0] * 4,
    "rosenbrock4_turned": [1.0] * 4,
    "rastrigin2": [0.0] * 2,
    "rastrigin4": [0.0] * 4,
    "schwefel3": [420.9687463324019] * 3,
    "styblinski4": [-2.9035340277254935] * 4,
    "michalewicz5": [2.202905514475, 1.5707963298398, 1.2849915691342, 1.9230584697763, 1.7204697736314],
    "alpine4": [0.0] * 4,
    "cosine8_moved": [0.0] * 8,
}


def front(name, count):
    """Points along the known front of two objectives."""
    shares = [i / count for i in range(count + 1)]
    match name:
        case "zdt1" | "zdt2":
            return [[t] + [0.0] * 5 for t in shares]
        case "fonseca2":
            return [[(2 * t - 1) / sqrt(2)] * 2 for t in shares]
        case "binh_korn":
            return [[3 * t, 3 * t] for t in shares] + [[3 + 2 * t, 3.0] for t in shares]
        case "srinivas":
            # Along one constraint, then within, then along the other one.
            top = sqrt(225 - 6.25)
            circle = ((-2.5 - 2.4 * t) for t in shares)
            return (
                [[1.1 - 3.6 * t, 3.7 - 1.2 * t] for t in shares]
                + [[-2.5, 2.5 + (top - 2.5) * t] for t in shares]
                + [[a, sqrt(225 - a * a)] for a in circle]
            )


class Others(unittest.TestCase):
    def test_the_best_value_is_reached_where_constraints_hold(self):
        for name, minimizer in MINIMIZERS.items():
            with self.subTest(name):
                problem = OTHERS[name]
                objective, *constraints = problem.function(minimizer)
                self.assertAlmostEqual(objective, problem.best, delta=1e-8 * max(abs(problem.best), 10.0))
                bounds = zip(minimizer, problem.parameters)
                self.assertTrue(all(p["lo"] <= x <= p["hi"] for x, p in bounds))
                sizes = (max(abs(c), 1.0) for c in problem.function([p["hi"] for p in problem.parameters])[1:])
                for constraint, size in zip(constraints, sizes):
                    self.assertLessEqual(constraint, 1e-6 * size)

    def test_nothing_near_the_best_point_is_better(self):
        for name, minimizer in MINIMIZERS.items():
            problem = OTHERS[name]
            for i, parameter in enumerate(problem.parameters):
                for by in (-1e-3, 1e-3):
                    moved = list(minimizer)
                    moved[i] += by * (parameter["hi"] - parameter["lo"])
                    if not parameter["lo"] <= moved[i] <= parameter["hi"]:
                        continue
                    objective, *constraints = problem.function(moved)
                    if all(c <= 0 for c in constraints):
                        with self.subTest(name, parameter=i, by=by):
                            self.assertGreaterEqual(objective, problem.best - 1e-9)

    def test_the_best_of_effects_is_best_along_each_of_them(self):
        problem = OTHERS["effects"]
        best = [78.0, 3.0, 10**1.2, "b", "m"]
        self.assertEqual(problem.function(best), [problem.best])
        for i, parameter in enumerate(problem.parameters):
            for value in parameter.get("values") or [best[i] * share for share in (0.5, 0.99, 1.01)]:
                if value in parameter.get("values", []) or value <= parameter["hi"]:
                    moved = [*best[:i], value, *best[i + 1 :]]
                    self.assertGreaterEqual(problem.function(moved)[0], problem.best)

    def test_turned_functions_keep_their_values(self):
        turned, plain = OTHERS["hartmann6_turned"], PROBLEMS["hartmann6"]
        self.assertEqual(turned.function([0.5] * 6), plain.function([0.5] * 6))
        normal = [0.5 + 0.01 * i for i in range(1, 7)]
        opposite = [0.5 - 0.01 * i for i in range(1, 7)]
        self.assertAlmostEqual(turned.function(normal)[0], plain.function(opposite)[0], places=12)

    def test_the_hypervolume_is_that_of_the_front(self):
        for name in ("zdt1", "zdt2", "fonseca2", "binh_korn", "srinivas"):
            with self.subTest(name):
                problem = OTHERS[name]
                outcomes = [problem.function(x) for x in front(name, 20000)]
                feasible = [y for y in outcomes if all(c <= 1e-9 for c in y[2:])]
                found = hypervolume(feasible, problem.reference)
                self.assertAlmostEqual(found / problem.best, 1.0, delta=2e-4)
                self.assertLess(found, problem.best)

    def test_what_an_optimizer_is_told(self):
        self.assertTrue(OTHERS["valley3_noisy"].spec()["noisy"])
        self.assertFalse(OTHERS["valley3_untold"].spec()["noisy"])
        self.assertTrue(all(p["log"] for p in OTHERS["decades"].spec()["params"]))
        self.assertEqual(len(OTHERS["g9"].spec()["constraints"]), 4)


if __name__ == "__main__":
    unittest.main()
