"""The problems against values from elsewhere; `tests/it/peers.rs` compares them with those of the Rust benchmark."""

import unittest
from math import inf

from problems import PROBLEMS, SplitMix, hypervolume


class Problems(unittest.TestCase):
    def test_random_numbers_are_the_published_ones(self):
        random = SplitMix()
        self.assertEqual([random.next(), random.next()], [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4])

    def test_noise_is_standard_normal(self):
        random = SplitMix(5, 777)
        draws = [random.normal() for _ in range(4000)]
        self.assertAlmostEqual(sum(draws) / 4000, 0.0, delta=0.06)
        self.assertAlmostEqual(sum(x * x for x in draws) / 4000, 1.0, delta=0.1)

    def test_the_best_value_is_reached_at_every_minimizer(self):
        for problem in PROBLEMS.values():
            for minimizer in problem.minimizers:
                with self.subTest(problem.name):
                    self.assertAlmostEqual(problem.function(minimizer)[0], problem.best, delta=2e-13)

    def test_values_are_those_of_the_definitions(self):
        # With 50 digits from the definitions; Branin and Currin's agree with BoTorch 0.18.1.
        for name, point, expected in [
            ("ackley_mixed", [0.3, -0.7, 2, "d", "w"], [5.376651877215541776]),
            ("ackley_mixed", [0.0, 0.0, 0, "c", "v"], [0.0]),
            ("branin_currin", [0.25, 0.5], [13.50563936639607349, 8.665411098552225643]),
            ("branin_currin", [0.75, 0.0], [20.8048, 10.5879]),
            ("gramacy", [0.25, 0.5], [0.75, 0.05865828381745511413, -1.1875]),
        ]:
            with self.subTest(name):
                found = PROBLEMS[name].function(point)
                self.assertEqual(len(found), len(expected))
                for a, b in zip(found, expected):
                    self.assertAlmostEqual(a, b, delta=1e-4 if point == [0.75, 0.0] else 1e-13)

    def test_a_grid_comes_close_to_the_largest_hypervolume(self):
        problem = PROBLEMS["branin_currin"]
        grid = [i / 400 for i in range(401)]
        found = hypervolume((problem.function([a, b]) for a in grid for b in grid), problem.reference)
        self.assertLess(found, problem.best)
        self.assertGreater(found, problem.best - 1)

    def test_the_hypervolume_is_the_area_of_what_is_dominated(self):
        self.assertEqual(hypervolume([], (4, 4)), 0.0)
        # Steps at (1, 3) and (2, 1); (3, 2) is dominated, (0, 5) and (4, 0) are outside.
        self.assertEqual(hypervolume([(3, 2), (2, 1), (0, 5), (1, 3), (4, 0)], (4, 4)), 3 * 1 + 2 * 2)

    def test_a_moved_box_keeps_a_minimizer_inside(self):
        for problem in PROBLEMS.values():
            if not problem.minimizers:
                continue
            for seed in range(5):
                moved = problem.shifted(seed)
                inside = []
                for before, after in zip(problem.parameters, moved.parameters):
                    width = before["hi"] - before["lo"]
                    self.assertAlmostEqual(after["hi"] - after["lo"], width, places=9)
                    self.assertLessEqual(abs(after["lo"] - before["lo"]), 0.2 * width)
                for minimizer in problem.minimizers:
                    sides = zip(minimizer, moved.parameters)
                    inside.append(all(0.05 <= (x - p["lo"]) / (p["hi"] - p["lo"]) <= 0.95 for x, p in sides))
                self.assertTrue(any(inside), problem.name)
                self.assertEqual(moved, problem.shifted(seed))
                self.assertNotEqual(moved, problem.shifted(seed + 1))

    def test_regret_is_of_what_counts(self):
        gramacy, noisy, two = (PROBLEMS[name] for name in ("gramacy", "branin_noisy", "branin_currin"))
        self.assertEqual(gramacy.regret([[0.1, 0.5, -1.0], [1.0, 2e-6, 0.0]], None), inf)
        self.assertEqual(gramacy.regret([[0.1, 0.5, -1.0], [1.0, 1e-7, 0.0]], None), 1.0 - gramacy.best)
        self.assertEqual(noisy.regret([[0.5], [7.0]], [7.0]), 7.0 - noisy.best)
        self.assertEqual(two.regret([[17.0, 5.0]], None), two.best - 1.0)

    def test_what_an_optimizer_is_told_has_no_optimum(self):
        spec = PROBLEMS["gramacy"].spec()
        self.assertEqual(spec["objectives"], [{"name": "y", "minimize": True}])
        self.assertEqual([c["name"] for c in spec["constraints"]], ["c1", "c2"])
        self.assertEqual(PROBLEMS["branin_currin"].spec()["reference_point"], [18.0, 6.0])
        self.assertTrue(PROBLEMS["branin_noisy"].spec()["noisy"])


if __name__ == "__main__":
    unittest.main()
