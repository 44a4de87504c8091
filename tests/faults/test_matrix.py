"""{exception, KILL, STOP, _exit, TERM} x places x ranks x modes: no hang, the guilty named, the same bits after.

Beside them a segmentation fault, and a disk that is full.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.runs import codes, hpcfl, job, result

NAMES = ("mode", "kind", "place", "rank")
AT_ONCE = 2
KINDS = ("exception", "KILL", "STOP", "exit", "TERM")
STATE = ("write", "fsync", "rename", "manifest")  # passed by rank 0 only, which has all of the state here
PLACES = {
    "synchronous": ("loading", "first step", "mid-epoch", "evaluation", *STATE),
    "federated": ("loading", "first round", "third round", "evaluation", *STATE),
}
MORE = [
    ("synchronous", "SEGV", "mid-epoch", 1),
    ("synchronous", "full", "write", 0),
    ("federated", "full", "write", 0),
]
SHORT = {
    *MORE[:2],
    ("synchronous", "exception", "mid-epoch", 1),
    ("synchronous", "exception", "fsync", 0),
    ("synchronous", "KILL", "mid-epoch", 0),
    ("synchronous", "KILL", "rename", 0),
    ("synchronous", "KILL", "manifest", 0),
    ("synchronous", "STOP", "mid-epoch", 1),
    ("synchronous", "exit", "evaluation", 1),
    ("synchronous", "TERM", "loading", 1),
    ("federated", "exception", "third round", 1),
    ("federated", "KILL", "third round", 1),
    ("federated", "TERM", "write", 0),
}


def schedule():
    """Yield all faults, those of the short schedule without a mark."""
    for case in MORE:
        yield pytest.param(*case, marks=() if case in SHORT else pytest.mark.long, id="-".join(map(str, case)))
    for mode, places in PLACES.items():
        for kind, place, rank in itertools.product(KINDS, places, (0, 1)):
            if rank == 0 or place not in STATE:
                marks = () if (mode, kind, place, rank) in SHORT else pytest.mark.long
                yield pytest.param(mode, kind, place, rank, marks=marks, id=f"{mode}-{kind}-{place}-{rank}")


@pytest.fixture(scope="module")
def whole(mpirun, tmp_path_factory):
    """What each mode gives when nothing happens; it also compiles the kernels."""
    out = {}
    for mode in PLACES:
        folder = tmp_path_factory.mktemp(mode)
        mpirun(2, hpcfl("none", "", 0, job(folder, mode)), timeout=300)
        out[mode] = result(folder)
    return out


@pytest.fixture(scope="module")
def ended(request, mpirun, tmp_path_factory, whole):
    """{case: (folder, how its run ended)} of all cases asked for, some at a time, as most of their time is waiting."""
    items = [item for item in request.session.items if item.path == request.path]
    cases = [tuple(item.callspec.params[name] for name in NAMES) for item in items]

    def run(case):
        mode, kind, place, rank = case
        folder = tmp_path_factory.mktemp("fault")
        limit = ["--set", "comm.timeout=2"] if kind == "STOP" else []
        command = hpcfl(kind, place, rank, [*job(folder, mode), *limit])
        return folder, mpirun(2, command, check=False, timeout=100)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(cases, pool.map(run, cases), strict=True))


@pytest.fixture(scope="module")
def resumed(mpirun, ended):
    """{case: exit code} of going on with all that did not reach its end, in one launch."""
    left = {case: folder for case, (folder, done) in ended.items() if done.returncode}
    assert not [folder for folder in left.values() if (folder / "run" / "model.h5").exists()]
    commands = [[*job(folder, case[0]), "--resume", "auto"] for case, folder in left.items()]
    done = mpirun(2, hpcfl("none", "", 0, *commands), timeout=100 + 5 * len(commands)) if commands else None
    return dict(zip(left, codes(done.stdout), strict=True)) if done else {}


@pytest.mark.parametrize(NAMES, list(schedule()))
def test_a_fault(whole, ended, resumed, mode, kind, place, rank):
    folder, done = ended[mode, kind, place, rank]
    assert done.stderr.count("injected ") >= 1, done.stderr
    check(done, kind, place, rank)
    assert resumed.get((mode, kind, place, rank), 0) == 0
    assert result(folder) == whole[mode]


def check(done, kind: str, place: str, rank: int) -> None:
    """Assert the exit code, and the words of whoever can still speak."""
    code, text = done.returncode, done.stderr
    if kind == "full" or (kind == "exception" and place in STATE):
        assert (code, "training goes on" in text) == (0, True), text
    elif kind == "exception":
        assert code == 1
        assert f"on rank {rank}" in text
    elif kind == "TERM":
        assert code == 75, text
        assert "stopped by" in text
    elif kind == "STOP":
        assert code in (5, 9), text  # MPICH may tell that it had to kill a rank
        assert f"rank {rank} on " in text
    else:
        assert code not in (0, 75)
