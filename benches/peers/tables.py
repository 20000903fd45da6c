"""Markdown tables from the records of `runs.py`."""

import platform
from math import inf, log10
from statistics import fmean, median

# Regrets below it are as good as none; where constraints may be missed by 1e-6 the optimum itself is no surer.
LEAST, LEAST_CONSTRAINED = 1e-10, 1e-6


def quantile(values, q):
    """Linear between the order statistics (Hyndman and Fan 1996, type 7)."""
    values = sorted(values)
    place = q * (len(values) - 1)
    below, part = int(place), place % 1
    if not part or values[below] == values[below + 1]:
        return values[below]
    return values[below] * (1 - part) + values[below + 1] * part


def expected_ranks(values):
    """The rank, from 1, that each of `{name: values}` has on average if one value of each is drawn; equals share it."""

    def beaten(a, b):
        won = sum((y < x) + 0.5 * (y == x) for x in a for y in b)
        return won / (len(a) * len(b))

    return {a: 1 + sum(beaten(values[a], values[b]) for b in values if b != a) for a in values}


def log_regret(problem, record):
    least = LEAST_CONSTRAINED if problem.constraints else LEAST
    regret = record["regret"]
    return inf if regret is None else log10(max(regret, least))


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def number(x):
    """With three digits."""
    return f"{x:.0f}" if x >= 99.95 else f"{x:#.3g}"


def ratio(value, of_krige):
    return number(value / of_krige) if of_krige else ""


class Tables:
    """The records that are well, by what they are of."""

    def __init__(self, records, peers, shifted):
        records = [r for r in records if r["shifted"] == shifted and r["peer"] in peers]
        # A peer that was changed between two runs is told by its version: the last one counts.
        versions = {r["peer"]: r["version"] for r in records}
        records = [r for r in records if r["version"] == versions[r["peer"]]]
        self.peers = [peer for peer in peers if peer in versions]
        self.versions = versions
        self.by_key = {}
        self.failed = {}
        for r in records:
            of = (r["run"], r["problem"], r["peer"])
            if r["status"] == "ok":
                self.by_key.setdefault(of, {})[r["seed"]] = r
                self.failed.pop((*of, r["seed"]), None)
            else:
                self.failed[(*of, r["seed"])] = r

    def of(self, run, problem):
        """Its records by peer."""
        found = ((peer, self.by_key.get((run, problem, peer))) for peer in self.peers)
        return {peer: list(records.values()) for peer, records in found if records}

    def heading(self):
        versions = ", ".join(f"{peer} {self.versions[peer]}" for peer in self.peers)
        system = f"{platform.system()} {platform.machine()}; Python {platform.python_version()}"
        return f"{processor()}; {system}; {versions}.\n"

    def start(self, problem):
        rows = []
        for peer, records in self.of("start", problem.name).items():
            seconds = [f"{median(times):.3f}" for times in zip(*((r["wall"], *r["cpu"]) for r in records))]
            rows.append([peer, *seconds, number(median(r["memory"] for r in records)), str(len(records))])
        return table(["peer", "wall s", "CPU s", "peak MiB", "runs"], rows) if rows else ""

    def attached(self, problems):
        rows = []
        for problem in problems:
            found = self.of("attached", problem.name)
            later = {peer: median(median(r["cpu"][1:]) for r in found[peer]) for peer in found}
            mean = {peer: median(fmean(r["cpu"][1:]) for r in found[peer]) for peer in found}
            for peer, records in found.items():
                first = 1e3 * median(r["cpu"][0] for r in records)
                cpu = [number(1e3 * later[peer]), ratio(later[peer], later.get("krige"))]
                cpu += [number(1e3 * mean[peer]), ratio(mean[peer], mean.get("krige")), number(first)]
                memory = number(median(r["memory"] for r in records))
                of = [str(problem.trials), str(len(problem.parameters))]
                rows.append([*of, peer, *cpu, memory, str(len(records))])
        head = ["n", "d", "peer", "CPU ms, median", "peer / krige", "mean", "peer / krige", "the first"]
        return table([*head, "peak MiB", "runs"], rows) if rows else ""

    def loop(self, problems):
        rows = []
        for problem in problems:
            found = self.of("regret", problem.name)
            mean = {peer: median(fmean(r["cpu"]) for r in found[peer]) for peer in found}
            last = {peer: median(median(r["cpu"][-10:]) for r in found[peer]) for peer in found}
            for peer, records in found.items():
                cpu = [number(1e3 * mean[peer]), ratio(mean[peer], mean.get("krige"))]
                cpu += [number(1e3 * last[peer]), ratio(last[peer], last.get("krige"))]
                memory = number(median(r["memory"] for r in records))
                rows.append([problem.name, peer, *cpu, memory, str(len(records))])
        head = ["problem", "peer", "CPU ms, mean of the run", "peer / krige", "of the last ten", "peer / krige"]
        return table([*head, "peak MiB", "runs"], rows) if rows else ""

    def regret(self, problems):
        medians, ranks, common = [], [], []
        # Regrets in the same unit, the range of a table, of which a mean tells something.
        ranges = []
        for problem in problems:
            found = self.of("regret", problem.name)
            if not found:
                continue
            regrets = {peer: [log_regret(problem, r) for r in found[peer]] for peer in found}
            medians.append([problem.name, str(problem.trials), *(spread(regrets.get(peer)) for peer in self.peers)])
            rank = expected_ranks(regrets)
            if problem.in_ranges and len(found) == len(self.peers):
                ranges.append({peer: fmean(r["regret"] for r in found[peer]) for peer in found})
            if len(rank) == len(self.peers):
                common.append(rank)
            ranks.append([problem.name, *(f"{rank[peer]:.2f}" if peer in rank else "" for peer in self.peers)])
        if not medians:
            return ""
        if common:
            mean = (sum(rank[peer] for rank in common) / len(common) for peer in self.peers)
            ranks.append([f"mean of the {len(common)} that all ran", *(f"{m:.2f}" for m in mean)])
        if ranges:
            mean = (fmean(of[peer] for of in ranges) for peer in self.peers)
            ranks.append([f"mean regret of the tables ({len(ranges)})", *(f"{m:.3f}" for m in mean)])
        head = ["problem", "trials", *self.peers]
        return table(head, medians) + "\n" + table(["expected rank", *self.peers], ranks)

    def failures(self):
        lines = []
        for (_, problem, peer, seed), r in self.failed.items():
            why = r.get("error") or f"it was ended after {r['limit']:g} s"
            if r.get("cpu"):
                why += f"; suggestions: {len(r['cpu'])}, CPU s of each, median: {median(r['cpu']):.3g}"
            lines.append(f"- {problem}, {peer}, seed {seed}: {why}\n")
        return "".join(lines)


def spread(regrets):
    """Median, quartiles and number of runs."""
    if not regrets:
        return ""
    a, b, c = ("none" if q == inf else f"{q:.2f}" for q in (quantile(regrets, q) for q in (0.25, 0.5, 0.75)))
    return f"{b} ({a}, {c}) of {len(regrets)}"


def processor():
    """The name of the processor, as far as the system tells it."""
    with open("/proc/cpuinfo") as lines:
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} × {names[0]}" if names else "an unnamed processor"
