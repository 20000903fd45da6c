"""The comparison itself, with random search as the peer, which needs nothing installed."""

import contextlib
import io
import json
import sys
import tempfile
import unittest
from math import inf
from pathlib import Path

import compare
from compare import Peer
from others import OTHERS
from problems import PROBLEMS
from runs import ASKED, run
from tables import Tables, expected_ranks, quantile


def call(*arguments):
    """Output, errors and exit status of the program."""
    output, errors, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            compare.main([str(argument) for argument in arguments])
        except SystemExit as exit:
            status = exit.code
    return output.getvalue(), errors.getvalue(), status


def talking(script):
    """A peer that is a piece of Python."""
    return Peer("scripted", [sys.executable, "-c", script], "1")


class Compare(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name) / "new" / "runs.jsonl"

    def records(self):
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def test_runs_are_tabled_and_not_done_again(self):
        problems = "start,n50_d6,branin,hartmann6_q3,branin_noisy,gramacy,ackley_mixed,branin_currin"
        arguments = ["--peers", "random", "--problems", problems, "--seeds", "4,2", "--out", self.out]
        output, errors, status = call(*arguments)
        self.assertEqual(status, 0, errors)
        records = self.records()
        self.assertEqual(len(records), 8 * 2)
        for record in records:
            self.assertEqual(record["status"], "ok", record)
            self.assertGreater(record["memory"], 1)
        order = [(r["seed"], r["problem"]) for r in records]
        self.assertEqual(order, [(seed, name) for seed in (4, 2) for name in problems.split(",")])
        attached = next(r for r in records if r["run"] == "attached")
        self.assertEqual(len(attached["cpu"]), ASKED)
        self.assertTrue(all(0 < cpu < 1 for cpu in attached["cpu"]), "seconds")
        for name in ("hartmann6_q3", "ackley_mixed", "branin_noisy"):
            of = next(r for r in records if r["problem"] == name)
            problem = PROBLEMS[name]
            self.assertEqual(len(of["points"]), problem.trials)
            self.assertEqual(of["outcomes"], [problem.function(x) for x in of["points"]], "the true ones")
            self.assertEqual(of["regret"], problem.regret(of["outcomes"], of["recommended"]))
        for expected in ("| random |", "| 50 | 6 | random |", "| branin | random |", "of 2 |", "| mean of the 6 that"):
            self.assertIn(expected, output)
        self.assertNotIn("did not end well", output)

        again, errors, _ = call(*arguments)
        self.assertEqual((again, errors), (output, ""))
        self.assertEqual(self.records(), records)

    def test_a_line_that_is_no_record_is_passed_over(self):
        arguments = ["regret", "--peers", "random", "--problems", "branin", "--out", self.out]
        call(*arguments, "--seeds", "0")
        self.out.write_text(self.out.read_text() + '[]\n{"run": "regr')
        output, errors, status = call(*arguments, "--seeds", "0-1")
        self.assertEqual(status, 0)
        self.assertIn("runs.jsonl:2: no record", errors)
        self.assertIn("runs.jsonl:3: no record", errors)
        self.assertIn("of 2 |", output)
        self.assertIn("of 1 |", call(*arguments, "--seeds", "1")[0], "what was asked for")

    def test_a_file_that_cannot_be_written_is_an_error(self):
        _, _, status = call("regret", "--peers", "random", "--problems", "branin", "--out", Path(__file__).parent)
        self.assertIn("error: [Errno", status)

    def test_moved_boxes_are_told_apart(self):
        arguments = ["regret", "--peers", "random", "--problems", "branin,gramacy", "--seeds", "1", "--out", self.out]
        call(*arguments)
        output, _, _ = call(*arguments, "--shifted")
        self.assertEqual([(r["problem"], r["shifted"]) for r in self.records()][2:], [("branin", True)])
        self.assertIn("moved boxes", output)
        self.assertNotIn("gramacy", output)

    def test_more_problems_run_where_they_are_named(self):
        call("regret", "--peers", "random", "--problems", "g24,valley3_untold", "--seeds", "1", "--out", self.out)
        self.assertEqual([r["problem"] for r in self.records()], ["g24", "valley3_untold"])
        named = compare.arguments(["regret", "--problems", "others,branin"])
        self.assertEqual({p.name for _, p in named.jobs}, {*OTHERS, "branin"})
        self.assertFalse({p.name for _, p in compare.arguments(["regret"]).jobs} & {*OTHERS})

    def test_who_is_not_installed_is_named_and_left_out(self):
        absent = self.out.parent / "krige"
        compare.PACKAGES["absent"] = (["peer_random.py"], ["krige-has-no-such-peer"])
        self.addCleanup(compare.PACKAGES.pop, "absent")
        with self.assertRaisesRegex(compare.NotInstalled, "no package krige-has-no-such-peer"):
            compare.find_package("absent")
        arguments = ["time", "--problems", "start", "--seeds", "0", "--krige", absent, "--out", self.out]
        output, errors, status = call(*arguments, "--peers", "krige,random")
        self.assertEqual(status, 0)
        self.assertIn("krige is left out: there is no ", errors)
        self.assertIn("| random |", output)
        arguments[-3] = Path(__file__)
        _, errors, status = call(*arguments, "--peers", "krige")
        self.assertIn("test_compare.py is not krige: ", errors)
        self.assertEqual(status, "error: none of the peers is installed")

    def test_bad_arguments_are_refused(self):
        self.assertEqual(compare.seeds("7,0-2,1"), [7, 0, 1, 2])
        for arguments, expected in [
            (["speed"], "invalid choice: 'speed'"),
            (["--peers", "krige,spearmint"], "there is no `spearmint`, only krige, ax,"),
            (["--problems", "forrester"], "there is no `forrester`, only start, n50_d6,"),
            (["--seeds", "4-1"], "numbers and ranges such as 0-4,7, found `4-1`"),
            (["--seeds", "-1"], "found `-1`"),
            (["--seeds", "a"], "found `a`"),
            (["--seeds", ""], "found ``"),
            (["--time-limit", "nan"], "above 0 and up to 1e6, found `nan`"),
            (["--time-limit", "soon"], "found `soon`"),
            (["--shifted"], "--shifted goes with `regret`"),
            (["time", "--problems", "ackley5"], "none of these --problems"),
            (["regret", "--shifted", "--problems", "gramacy"], "none of these --problems"),
        ]:
            with self.subTest(arguments):
                output, errors, status = call(*arguments)
                self.assertEqual((output, status), ("", 2))
                self.assertIn(expected, errors)

    def test_a_peer_that_fails_leaves_a_record_of_it(self):
        reply = "import sys; sys.stdin.readline(); print('%s', flush=True); sys.stdin.read()"
        for script, expected in [
            ("raise SystemExit('no licence')", ("error", "it ended on `init`: no licence")),
            ("import sys; sys.stdin.readline()", ("error", "it ended on `init`: without a word")),
            (reply % '{"error": "too cold"}', ("error", "it answered `init` with: too cold")),
            (reply % "hello", ("error", "it answered `init` with what is no JSON: hello")),
            (reply % '{"ok": true}', ("late", None)),
        ]:
            limit = 0.2 if expected[0] == "late" else 600
            record = run("regret", talking(script), PROBLEMS["branin"], 0, False, limit)
            self.assertEqual((record["status"], record.get("error")), expected)
            self.assertEqual(record.get("cpu", []), [])
            tables = Tables([record], ["scripted"], False)
            self.assertIn("branin, scripted, seed 0: ", tables.failures())
            self.assertFalse(compare.is_done(record, 900))
            self.assertEqual(compare.is_done(record, 0.1), expected[0] == "late")

    def test_a_run_that_does_not_get_to_its_end_tells_what_it_took(self):
        trial = """{"trials": [{"id": 0, "params": {"x1": 0.0, "x2": 0.0}}]}"""
        script = f"for reply in ('{{}}', '{trial}', '{{}}'): input(); print(reply, flush=True)\ninput()"
        record = run("regret", talking(script), PROBLEMS["branin"], 0, False, 600)
        self.assertEqual((record["status"], len(record["cpu"])), ("error", 1))
        told = Tables([record], ["scripted"], False).failures()
        self.assertIn("it ended on `ask`: without a word; suggestions: 1, CPU s of each, median: ", told)
        late = record | {"status": "late", "limit": 9.0}
        del late["error"]
        self.assertIn("ended after 9 s; suggestions: 1,", Tables([late], ["scripted"], False).failures())

    def test_only_the_last_version_of_a_peer_is_tabled(self):
        new = {"run": "regret", "problem": "branin", "peer": "krige", "version": "2", "seed": 0, "shifted": False}
        new |= {"status": "ok", "regret": 0.01, "cpu": [0.002], "memory": 5.0}
        old = new | {"version": "1", "regret": 1e-9, "seed": 1}
        tables = Tables([old, new], ["krige"], False)
        self.assertIn("| -2.00 (-2.00, -2.00) of 1 |", tables.regret([PROBLEMS["branin"]]))
        self.assertIn("| branin | krige | 2.00 | 1.00 |", tables.loop([PROBLEMS["branin"]]))

    def test_ranks_and_quantiles(self):
        self.assertEqual(expected_ranks({"a": [1, 3], "b": [2], "c": [2, 2]}), {"a": 2.0, "b": 2.0, "c": 2.0})
        self.assertEqual(expected_ranks({"a": [-inf], "b": [inf, 1], "c": [inf]}), {"a": 1.0, "b": 2.25, "c": 2.75})
        self.assertEqual([quantile([4, 1, 3, 2], q) for q in (0, 0.25, 0.5, 1)], [1, 1.75, 2.5, 4])
        self.assertEqual(quantile([1, inf, inf], 0.75), inf)


if __name__ == "__main__":
    unittest.main()
