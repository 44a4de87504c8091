"""What a fault costs: steps lost and seconds until training goes on, by kind, place and rank.

``python benchmarks/faults.py`` injects the short schedule of tests/faults into runs on 2 ranks and
prints one JSON line a fault, then the table; ``--full`` injects the whole schedule.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.conftest import launcher  # noqa: E402
from tests.faults.runs import hpcfl, job, result  # noqa: E402
from tests.faults.test_matrix import PLACES, SHORT, schedule  # noqa: E402

STEPS = 4  # of an epoch of the synchronous job
HEAD = ("mode", "kind", "place", "rank", "survived", "steps lost", "seconds to end", "seconds to go on")


def run(arguments: list[str]) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run on 2 ranks; return how it ended, and the seconds."""
    start = perf_counter()
    command = [*launcher(), "-n", "2", sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    return done, perf_counter() - start


def position(folder: Path) -> int:
    """Return the steps or rounds of the newest checkpoint that was finished."""
    found = sorted((folder / "run" / "checkpoints").glob("*/manifest.json"))
    at = json.loads(found[-1].read_text())["position"] if found else {"round": 0}
    return at["round"] if "round" in at else at["epoch"] * STEPS + at["step"]


def inject(mode: str, kind: str, place: str, rank: int, folder: Path, whole: object) -> dict[str, object]:
    """Inject one fault, resume, and return a line of the table."""
    train = job(folder, mode)
    limit = ["--set", "comm.timeout=8"] if kind == "STOP" else []
    first, ended = run(hpcfl(kind, place, rank, [*train, *limit]))
    made = int(re.search(r"injected \S+ after (\d+)", first.stderr)[1])
    lost, again = 0, 0.0
    if first.returncode:
        lost = max(made - position(folder), 0)
        run(hpcfl("none", "", 0, [*train, "--resume", "auto"]))
        again = json.loads((folder / "run" / "summary.json").read_text())["startup_seconds"]
    values = (mode, kind, place, rank, result(folder) == whole, lost, round(ended, 1), round(again, 2))
    return dict(zip(HEAD, values, strict=True))


def main() -> None:
    """Inject the schedule and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the whole schedule, an hour, not the short one")
    full = parser.parse_args().full
    lines = []
    with tempfile.TemporaryDirectory() as root:
        whole = {}
        for mode in PLACES:
            run(hpcfl("none", "", 0, job(Path(root) / mode, mode)))
            whole[mode] = result(Path(root) / mode)
        for n, case in enumerate(c.values for c in schedule()):
            if full or case in SHORT:
                lines.append(inject(*case, Path(root) / str(n), whole[case[0]]))
                print(json.dumps(lines[-1]), flush=True)
    print()
    for row in (HEAD, *(tuple(line.values()) for line in lines)):
        print(" ".join(f"{value!s:16}" for value in row))
    print(f"{len(lines)} faults injected, {sum(bool(line['survived']) for line in lines)} survived with the same bits")


if __name__ == "__main__":
    main()
