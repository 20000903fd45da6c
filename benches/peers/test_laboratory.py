"""Tables of laboratory data as problems, on tables made up here."""

import json
import tempfile
import unittest
from pathlib import Path

import laboratory
from test_compare import call

FLOW = {"name": "flow", "type": "continuous", "low": 0.0, "high": 1.0}
HEAT = {"name": "heat", "type": "continuous", "low": 20.0, "high": 60.0}
BASE = {"name": "base", "type": "categorical", "options": ["K", "Na", "Cs"]}


class Laboratory(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, name, goal, parameters, rows):
        table = self.folder / f"dataset_{name}"
        table.mkdir()
        config = {"parameters": parameters, "measurements": [{"name": "yield"}], "default_goal": goal}
        (table / "config.json").write_text(json.dumps(config))
        (table / "data.csv").write_text("".join(row + "\n" for row in rows))

    def problem(self, *table):
        self.write("made_up", *table)
        return laboratory.problems(self.folder)["lab_made_up"]

    def test_the_nearest_row_answers_in_units_of_the_range(self):
        problem = self.problem("minimize", [FLOW, HEAT], ["0.0,20,5", "1.0,20,1", "0.0,60,3", "0.4,60,2"])
        self.assertEqual((problem.best, problem.trials), (0.25, 30))
        # In degrees, not in shares of the range, the second point would be nearest to the third row.
        for point, expected in [((0.1, 22), 1.25), ((0.3, 59), 0.5), ((0.9, 21), 0.25), ((0.1, 60), 0.75)]:
            self.assertEqual(problem.function(point), [expected], point)
        self.assertEqual(problem.regret([[0.75], [0.5]], None), 0.25)

    def test_what_is_to_be_maximized_is_turned_round(self):
        for goal in ("maximize", ["maximize", "minimize"]):
            with self.subTest(goal):
                table = laboratory.PREFIX + type(goal).__name__
                self.write(type(goal).__name__, goal, [FLOW], ["0.1,10,7", "0.5,50,7", "0.9,20,7"])
                problem = laboratory.problems(self.folder)[table]
                self.assertEqual(problem.best, -1.25)
                self.assertEqual(problem.function([0.5]), [-1.25])

    def test_choices_are_those_that_occur(self):
        problem = self.problem("maximize", [BASE, HEAT], ["K,20,0", "K,60,4", "Na,40,1"])
        base, heat = problem.parameters
        self.assertEqual(base, {"name": "base", "type": "cat", "values": ["K", "Na"]})
        self.assertEqual((heat["lo"], heat["hi"]), (20.0, 60.0))
        self.assertEqual(problem.function(["K", 41.0]), [-1.0])
        self.assertEqual(problem.function(["Na", 60.0]), [-0.25], "another choice is as far as the whole range")

    def test_of_rows_that_are_as_near_the_first_counts(self):
        problem = self.problem("minimize", [FLOW], ["0.0,3", "1.0,2", "1.0,1"])
        self.assertEqual(problem.function([1.0]), [1.0])

    def test_tables_without_numbers_or_with_one_value_are_passed_over(self):
        self.write("words", "maximize", [FLOW], ["0.1,crystal", "0.2,solution"])
        self.write("flat", "maximize", [FLOW], ["0.1,1", "0.2,1"])
        self.write("one_heat", "maximize", [HEAT], ["20,1", "20,2"])
        (self.folder / "dataset_empty").mkdir()
        self.assertEqual(laboratory.problems(self.folder), {})

    def test_they_are_compared_on_request(self):
        self.write("flow", "minimize", [FLOW, HEAT], ["0.0,20,5", "1.0,20,1", "0.5,60,3"])
        out = self.folder / "runs.jsonl"
        arguments = ["regret", "--peers", "random", "--seeds", "3", "--out", out, "--tables", self.folder]
        output, errors, status = call(*arguments, "--problems", "tables")
        self.assertEqual(status, 0, errors)
        self.assertIn("| lab_flow | 30 | -10.00 ", output)
        self.assertIn("| mean regret of the tables (1) | 0.000 |", output)
        record = json.loads(out.read_text())
        self.assertEqual({y for (y,) in record["outcomes"]}, {1.25, 0.25, 0.75})
        _, errors, status = call(*arguments, "--problems", "lab_flaw")
        self.assertEqual(status, 2)
        self.assertIn("there is no `lab_flaw`, only start, ", errors)
        self.assertIn("lab_flow", errors)
        self.write("torn", "minimize", [FLOW, HEAT], ["0.0,20,5", "1.0"])
        _, errors, status = call(*arguments, "--problems", "tables")
        self.assertEqual(status, 2)
        self.assertIn("is not as Olympus has it: IndexError", errors)
        arguments[-1] = self.folder / "dataset_flow"
        _, errors, status = call(*arguments, "--problems", "tables")
        self.assertEqual(status, 2)
        self.assertIn("expected `dataset_*/data.csv`", errors)


if __name__ == "__main__":
    unittest.main()
