"""{exception, KILL, STOP, _exit, TERM} x places x ranks x modes: no hang, the guilty named, the same bits after.

Beside them a segmentation fault, and a disk that is full.
"""

import itertools

import pytest

from tests.faults.runs import hpcfl, job, result

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


@pytest.mark.parametrize(("mode", "kind", "place", "rank"), list(schedule()))
def test_a_fault(mpirun, tmp_path, whole, mode, kind, place, rank):
    train = job(tmp_path, mode)
    limit = ["--set", "comm.timeout=4"] if kind == "STOP" else []
    done = mpirun(2, hpcfl(kind, place, rank, [*train, *limit]), check=False, timeout=100)
    assert done.stderr.count("injected ") >= 1, done.stderr
    check(done, kind, place, rank)
    if done.returncode:
        assert not (tmp_path / "run" / "model.h5").exists()
        mpirun(2, hpcfl("none", "", 0, [*train, "--resume", "auto"]), timeout=100)
    assert result(tmp_path) == whole[mode]


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
