"""What one run does with a peer, and the record that it leaves.

A record is a dict that fits on a line of JSON: `run` (start, attached, regret), `problem`, `peer`, `version`, `seed`,
`shifted`, `status` (ok, late, error), and what was measured: CPU in seconds, wall time in seconds, memory in MiB.
CPU per suggestion is from one suggestion to the next, so that a peer may think when it is asked or when it is told.
"""

from math import isfinite

from problems import SplitMix
from process import PeerError, Process, TimeLimit

# How many suggestions are timed after attached observations. The first one stands apart, for which no model is at hand
# yet, or, from some peers, still a point of the design; the others are enough to see a model that is only fitted anew
# once in a while.
ASKED = 12


def run(kind, peer, problem, seed, shifted, limit):
    """Carries out a run, whose record tells too if it failed."""
    record = {"run": kind, "problem": problem.name, "peer": peer.name, "version": peer.version}
    record |= {"seed": seed, "shifted": shifted}
    if shifted:
        problem = problem.shifted(seed)
    # CPU seconds of each suggestion, also of a run that does not get to its end.
    cpu = []
    try:
        with Process(peer.command, limit) as process:
            # What is imported or compiled with the first model belongs to the start, and is not the cost of a trial.
            process.request("init", spec=problem.spec(), seed=seed, batch=problem.batch, warm_up=kind != "start")
            measured = {"start": start, "attached": attached, "regret": regret}[kind](process, problem, seed, cpu)
            measured["memory"] = process.memory()
    except TimeLimit:
        return record | {"status": "late", "limit": limit, "cpu": cpu}
    except PeerError as error:
        return record | {"status": "error", "error": str(error), "cpu": cpu}
    return record | {"status": "ok", "cpu": cpu} | measured


def start(process, _problem, _seed, cpu):
    """From the start of the process to its first suggestion."""
    process.request("ask", n=1)
    cpu.append(process.cpu())
    return {"wall": process.wall()}


def attached(process, problem, seed, cpu):
    """Suggestions after as many observations as the problem has trials."""
    names = problem.names()
    random = SplitMix(seed, len(problem.parameters))
    for _ in range(problem.trials):
        params = {p["name"]: random.uniform() for p in problem.parameters}
        process.request("attach", params=params, values=dict(zip(names, problem.evaluate(params))))
    for _ in range(ASKED):
        before = process.cpu()
        (trial,) = process.request("ask", n=1)["trials"]
        process.request("tell", id=trial["id"], values=dict(zip(names, problem.evaluate(trial["params"]))))
        cpu.append(process.cpu() - before)
    return {}


def regret(process, problem, seed, cpu):
    """A closed loop over the budget, of which the peer is not told."""
    names = problem.names()
    noise = SplitMix(seed, 777)
    points, outcomes, seen = [], [], []
    began = process.wall()
    while len(points) < problem.trials:
        count = min(problem.batch, problem.trials - len(points))
        before = process.cpu()
        trials = process.request("ask", n=count)["trials"]
        for trial in trials:
            true = problem.evaluate(trial["params"])
            failed = true[0] is None
            noisy = problem.noise and not failed
            told = [y + problem.noise * noise.normal() for y in true] if noisy else true
            points.append(list(trial["params"].values()))
            outcomes.append(true)
            if not failed:
                seen.append((told[0], trial["params"]))
            process.request("tell", id=trial["id"], values=dict(zip(names, told)))
        cpu += [(process.cpu() - before) / count] * count
    wall = process.wall() - began
    recommended = None
    if problem.noise:
        # Who recommends nothing is taken to mean the best value seen.
        params = process.request("recommend")["params"] or min(seen, key=lambda s: s[0])[1]
        recommended = problem.evaluate(params)
    measured = {"wall": wall, "points": points, "outcomes": outcomes, "recommended": recommended}
    found = problem.regret(outcomes, recommended)
    # JSON has no infinity.
    return measured | {"regret": found if isfinite(found) else None}
