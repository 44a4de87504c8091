"""What a fault costs: steps lost and seconds until training goes on, by kind, place and rank.

``python benchmarks/faults.py`` injects the short schedule of tests/faults into runs on 2 ranks and
prints one JSON line a fault, then the table; ``--full`` injects the whole schedule. With Open MPI it also
kills ranks that the others outlive, of 3.
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
from tests.faults.test_survival import CASES, DETECTOR, GO_ON, OPENMPI, ULFM  # noqa: E402

STEPS = 4  # of an epoch of the synchronous job
HEAD = ("mode", "kind", "place", "rank", "survived", "steps lost", "seconds to end", "seconds to go on")


def run(
    arguments: list[str], ranks: int = 2, launch: tuple[str, ...] = ()
) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run on some ranks; return how it ended, and the seconds."""
    start = perf_counter()
    command = [*launcher(), *launch, "-n", str(ranks), sys.executable, *arguments]
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
    limit = ["--set", "comm.timeout=4"] if kind == "STOP" else []
    first, ended = run(hpcfl(kind, place, rank, [*train, *limit]))
    made = int(re.search(r"injected \S+ after (\d+)", first.stderr)[1])
    lost, again = 0, 0.0
    if first.returncode:
        lost = max(made - position(folder), 0)
        run(hpcfl("none", "", 0, [*train, "--resume", "auto"]))
        again = json.loads((folder / "run" / "summary.json").read_text())["startup_seconds"]
    values = (mode, kind, place, rank, result(folder) == whole, lost, round(ended, 1), round(again, 2))
    return dict(zip(HEAD, values, strict=True))


def outlive(mode: str, kinds: str, places: str, ranks: str, more: list[str], root: Path) -> dict[str, object]:
    """Let ranks die while the others go on, and return a line of the table; its seconds are those of recovery."""
    run(hpcfl("none", "", 0, [*job(root / "whole", mode, reproducible=True), *more]), 1)
    train = [*job(root / "cut", mode, reproducible=True), *more, *GO_ON]
    detector, n = (DETECTOR, 4) if "exit" in kinds else ((), 3)
    first, ended = run(hpcfl(kinds, places, ranks, train), n, (*ULFM, *detector))
    made = [int(text) for text in re.findall(r"injected \S+ after (\d+)", first.stderr)]
    log = (root / "cut" / "run" / "log.jsonl").read_text().splitlines()
    losses = [json.loads(line)["lost"] for line in log if "lost" in json.loads(line)]
    starts = [at.get("round", at.get("epoch", 0) * STEPS + at.get("step", 0)) for at in (one["from"] for one in losses)]
    lost = sum(max(m - s, 0) for m, s in zip(made, starts, strict=False)) if mode in PLACES else "-"
    seconds = max((one["recovery_seconds"] for one in losses), default=0.0)
    same = result(root / "cut") == result(root / "whole")
    values = (mode, f"{kinds} (continue)", places, ranks, same, lost, round(ended, 1), round(seconds, 3))
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
        for n, one in enumerate(CASES if OPENMPI else ()):
            lines.append(outlive(*one, Path(root) / f"survival-{n}"))
            print(json.dumps(lines[-1]), flush=True)
    print()
    for row in (HEAD, *(tuple(line.values()) for line in lines)):
        print(" ".join(f"{value!s:16}" for value in row))
    print(f"{len(lines)} faults injected, {sum(bool(line['survived']) for line in lines)} survived with the same bits")


if __name__ == "__main__":
    main()
