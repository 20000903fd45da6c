"""How long does krige take for a suggestion, and how close to the optimum does it come, compared with its peers?

`docs/benchmarks.md` says how to install the peers and what is measured. Every run is kept as a line of JSON in the file
`--out`, and one that is there already is not done again; the tables of what was asked for go to standard output.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import laboratory
from others import OTHERS
from problems import PROBLEMS, attached
from runs import run
from tables import Tables

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# As many observations and dimensions; the last one krige alone.
SCALES = [attached(50, 6), attached(200, 10), attached(500, 10), attached(1000, 20)]
ONLY_KRIGE = SCALES[-1].name
# What a start is timed on, and of which whole runs are.
START = replace(PROBLEMS["branin"], name="start")
LOOPS = ["branin", "himmelblau"]
# What tells runs apart.
KEY = ("run", "problem", "peer", "version", "seed", "shifted")


@dataclass(frozen=True)
class Peer:
    """Who is compared: the command that starts it, and what tells it from an earlier one of the same name."""

    name: str
    command: list
    version: str


# The script of each peer with its arguments, and the packages that it needs, the one first whose version is told.
PACKAGES = {
    "ax": (["peer_ax.py"], ["ax-platform"]),
    "optuna-gp": (["peer_optuna.py", "gp"], ["optuna", "torch", "scipy"]),
    "optuna-tpe": (["peer_optuna.py", "tpe"], ["optuna"]),
    "egobox": (["peer_egobox.py"], ["egobox"]),
    "random": (["peer_random.py"], []),
}
NAMES = ["krige", *PACKAGES]


class NotInstalled(Exception):
    """What is missing."""


def find_krige(program):
    program = program.resolve()
    if not program.is_file():
        raise NotInstalled(f"there is no {program}: cargo build --release -p krige-cli")
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotInstalled(f"{program} is not krige: {error}") from None
    # Two builds of a version may differ in what is measured.
    build = hashlib.sha256(program.read_bytes()).hexdigest()[:8]
    return Peer("krige", [str(program), "stdio"], f"{told.removeprefix('krige').strip()} (build {build})")


def find_package(name):
    (script, *arguments), packages = PACKAGES[name]
    try:
        versions = [version(package) for package in packages]
    except PackageNotFoundError as missing:
        raise NotInstalled(f"no package {missing.name}: pip install -r benches/peers/requirements.txt") from None
    command = [sys.executable, "-B", str(HERE / script), *arguments]
    return Peer(name, command, versions[0] if versions else "uniform")


def several(text):
    """An argument of names with commas between them."""
    return list(dict.fromkeys(text.split(",")))


def check(parser, option, names, known):
    """Ends the program where a name is not known."""
    for name in names or []:
        if name not in known:
            parser.error(f"argument {option}: there is no `{name}`, only {', '.join(known)}")


def seeds(text):
    found = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal() or int(last or first) < int(first):
            raise argparse.ArgumentTypeError(f"expected numbers and ranges such as 0-4,7, found `{text}`")
        found += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(found))


def seconds(text):
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 1e6:
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0 and up to 1e6, found `{text}`")
    return found


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="\n".join(__doc__.splitlines()[2:]))
    what = "what to compare; both if it is left out"
    parser.add_argument("what", nargs="?", choices=["time", "regret"], help=what)
    default = [name for name in NAMES if name != "random"]
    which = f"of {', '.join(NAMES)}; without it all but random"
    parser.add_argument("--peers", type=several, default=default, metavar="A,B", help=which)
    names = ["start", *(problem.name for problem in SCALES), *PROBLEMS]
    which = (
        f"of {', '.join(names)}, {', '.join(OTHERS)} and the tables; `others` for all of `others.py`, `tables` for all "
        "tables; without it all but `others`"
    )
    parser.add_argument("--problems", type=several, metavar="A,B", help=which)
    where = "tables of laboratory data, folders `dataset_*` as Olympus has them (those of its package, if installed)"
    parser.add_argument("--tables", type=Path, metavar="FOLDER", help=where)
    which = "one repetition each, such as 0-4,7 (%(default)s)"
    parser.add_argument("--seeds", type=seeds, default="0-4", metavar="N-M", help=which)
    parser.add_argument("--shifted", action="store_true", help="regret on boxes that are moved by seed")
    where = "the runs, added to (target/peers.jsonl of this project)"
    parser.add_argument("--out", type=Path, default=ROOT / "target/peers.jsonl", metavar="FILE", help=where)
    limit = "after how many seconds a run is ended (%(default)s)"
    parser.add_argument("--time-limit", type=seconds, default=900.0, metavar="S", help=limit)
    where = "the program (target/release/krige of this project)"
    parser.add_argument("--krige", type=Path, default=ROOT / "target/release/krige", metavar="FILE", help=where)
    options = parser.parse_args(argv)
    check(parser, "--peers", options.peers, NAMES)
    find_tables(parser, options)
    if options.problems and "others" in options.problems:
        options.problems = [name for name in options.problems if name != "others"] + list(OTHERS)
    check(parser, "--problems", options.problems, [*names, *OTHERS, *options.laboratory])
    if options.shifted and options.what != "regret":
        parser.error("--shifted goes with `regret`: times are told of the problems as they are")
    options.jobs = jobs(options)
    if not options.jobs:
        parser.error("none of these --problems is among what is to be compared")
    return options


def find_tables(parser, options):
    """Sets the problems of tables, and puts them in the place of `tables`."""
    folder = options.tables or laboratory.installed()
    try:
        options.laboratory = laboratory.problems(folder) if folder else {}
    except (OSError, ValueError, LookupError) as error:
        parser.error(f"argument --tables: {folder} is not as Olympus has it: {error!r}")
    if options.tables and not options.laboratory:
        parser.error(f"argument --tables: there is no table in {folder}, expected `dataset_*/data.csv`")
    if options.problems and "tables" in options.problems:
        if not options.laboratory:
            parser.error("argument --problems: no tables: pip install -r benches/peers/requirements.txt, or --tables")
        options.problems = [name for name in options.problems if name != "tables"] + list(options.laboratory)


def jobs(options):
    """What is to be run, as pairs of a kind and a problem."""
    time = [("start", START), *(("attached", problem) for problem in SCALES)]
    loops = [("regret", PROBLEMS[name]) for name in LOOPS]
    problems = PROBLEMS | (OTHERS if options.problems else {}) | options.laboratory
    regret = [("regret", p) for p in problems.values() if p.minimizers or not options.shifted]
    found = {"time": time + loops, "regret": regret, None: time + regret}[options.what]
    return [job for job in found if not options.problems or job[1].name in options.problems]


def load(path):
    """The records of a file; a line that was cut off as it was written is none."""
    if not path.exists():
        return []
    records = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict) and record.keys() >= {*KEY, "status"}:
            records.append(record)
        else:
            print(f"{path}:{number}: no record, passed over", file=sys.stderr)
    return records


def is_done(record, limit):
    """Whether to do it again would only tell the same."""
    return record["status"] == "ok" or record["status"] == "late" and record["limit"] >= limit


def compare(options, peers):
    """Carries out what is not in the file yet: all peers in turn, then the next problem; then the next repetition."""
    done = {tuple(r[key] for key in KEY) for r in load(options.out) if is_done(r, options.time_limit)}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a+") as out:
        # The end of a line that was cut off.
        if options.out.read_bytes()[-1:] not in (b"", b"\n"):
            out.write("\n")
        for seed in options.seeds:
            for kind, problem in options.jobs:
                for peer in peers:
                    if problem.name == ONLY_KRIGE and peer.name != "krige":
                        continue
                    key = (kind, problem.name, peer.name, peer.version, seed, options.shifted)
                    if key in done:
                        continue
                    record = run(kind, peer, problem, seed, options.shifted, options.time_limit)
                    out.write(json.dumps(record) + "\n")
                    out.flush()
                    said = record.get("error") or record["status"]
                    print(f"seed {seed}, {problem.name}, {peer.name}: {said}", file=sys.stderr, flush=True)


def main(argv=None):
    options = arguments(argv)
    peers = []
    for name in options.peers:
        try:
            peers.append(find_krige(options.krige) if name == "krige" else find_package(name))
        except NotInstalled as missing:
            print(f"{name} is left out: {missing}", file=sys.stderr)
    if not peers:
        sys.exit("error: none of the peers is installed")
    try:
        compare(options, peers)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
    except OSError as error:
        sys.exit(f"error: {error}")
    wanted = {(kind, problem.name, seed) for kind, problem in options.jobs for seed in options.seeds}
    records = [r for r in load(options.out) if (r["run"], r["problem"], r["seed"]) in wanted]
    tables = Tables(records, [peer.name for peer in peers], options.shifted)
    print(report(options, tables), end="")


def report(options, tables):
    """The tables of what was asked for, as far as there are runs."""
    problems = {kind: [p for k, p in options.jobs if k == kind] for kind in ("start", "attached", "regret")}
    parts = []
    if options.what != "regret":
        loops = [problem for problem in problems["regret"] if problem.name in LOOPS]
        parts += [
            ("From the start of the process to its first suggestion", tables.start(START) if problems["start"] else ""),
            ("A suggestion after n attached observations in d dimensions", tables.attached(problems["attached"])),
            ("A suggestion in a run of 25 trials in 2 dimensions", tables.loop(loops)),
        ]
    if options.what != "time":
        shifted = ", moved boxes" if options.shifted else ""
        title = f"log10 of the regret{shifted}: median (quartiles) of runs"
        parts.append((title, tables.regret(problems["regret"])))
    parts.append(("What did not end well", tables.failures()))
    sections = (f"\n### {title}\n\n{text}" for title, text in parts if text)
    return tables.heading() + "".join(sections)


if __name__ == "__main__":
    main()
