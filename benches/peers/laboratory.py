"""Tables of laboratory data as problems: reactions, dyes, solar cells, liquid handling.

They are those of the Olympus benchmark (Häse et al. 2021), read from its package (`olymp`), which is not imported, or
from a folder such as the `src/olympus/datasets` of its repository, which has more of them. A table answers with the row
that is nearest to what was asked for, so that numbers have the steps of the data; of several such rows the first in
the file counts. Outcomes are the first measurement of the table, in units of its range, to be minimized.
"""

import csv
import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from problems import Problem

PREFIX = "lab_"


def installed():
    """The folder of the package's tables, none if it is not installed."""
    try:
        folder = Path(distribution("olymp").locate_file("olympus/datasets"))
    except PackageNotFoundError:
        return None
    return folder if folder.is_dir() else None


def problems(folder):
    """The problems of all tables of a folder, by name."""
    found = (problem(table) for table in sorted(folder.glob("dataset_*")) if (table / "data.csv").is_file())
    return {problem.name: problem for problem in found if problem}


def problem(folder):
    """The problem of one table; none where the outcome or a range is no number."""
    config = json.loads((folder / "config.json").read_text())
    with (folder / "data.csv").open(newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    parameters = [parameter(p, [row[i] for row in rows]) for i, p in enumerate(config["parameters"])]
    try:
        outcomes = [float(row[len(parameters)]) for row in rows]
    except ValueError:
        return None
    lowest, highest = min(outcomes), max(outcomes)
    if None in parameters or lowest == highest:
        return None
    goals = config["default_goal"]
    sign = 1 if (goals[0] if isinstance(goals, list) else goals) == "minimize" else -1
    outcomes = [sign * y / (highest - lowest) for y in outcomes]
    name = PREFIX + folder.name.removeprefix("dataset_")
    trials = min(max(10 * len(parameters), 30), 50)
    function = lookup(parameters, rows, outcomes)
    return Problem(name, trials, tuple(parameters), function, min(outcomes), in_ranges=True)


def parameter(described, values):
    """What an optimizer is told of a column: a range, or the choices that occur."""
    name = described["name"]
    if described.get("type") == "categorical":
        return {"name": name, "type": "cat", "values": sorted(set(values))}
    # Some tables tell no range, or one that does not hold all of the data.
    try:
        values = [float(value) for value in values]
    except ValueError:
        return None
    lo, hi = min(values), max(values)
    return {"name": name, "type": "float", "lo": lo, "hi": hi} if lo < hi else None


def lookup(parameters, rows, outcomes):
    """The function that answers with the outcome of the nearest row, a choice that differs being as far as a range."""

    def coordinate(parameter, value):
        if parameter["type"] == "cat":
            return value
        return (float(value) - parameter["lo"]) / (parameter["hi"] - parameter["lo"])

    def distance(row, point):
        pairs = zip(row, point)
        return sum((a != b) if isinstance(a, str) else (a - b) ** 2 for a, b in pairs)

    table = [tuple(map(coordinate, parameters, row)) for row in rows]

    def function(x):
        point = tuple(map(coordinate, parameters, x))
        return [min(zip(table, outcomes), key=lambda pair: distance(pair[0], point))[1]]

    return function
