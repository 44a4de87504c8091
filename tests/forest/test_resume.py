"""A forest that was stopped goes on, tree by tree, to the same bits: over trees, over rows, boosted; on other ranks."""

import pytest

PROGRAM = """
import hashlib, itertools, warnings
import hpcfl
from hpcfl.comm.communicator import world
from hpcfl.data import h5

warnings.simplefilter("error")
comm, when = world(), {when!r}
kinds = {{
    "trees": {{"distribute": "trees", "oob": True, "permutations": 1}},
    "rows": {{"distribute": "rows", "ship_rows": 60}},
    "boosting": {{"boosting": True, "max_depth": 3, "patience": 2, "learning_rate": 0.5}},
}}
for name, model in kinds.items():
    job = {{
        "output": {folder!r} + f"/{{name}}{{when or ''}}",
        "data": {{"train": "sample:iris"}},
        "model": {{"name": "forest", "trees": 24, **model}},
        "train": {{"mode": "forest"}},
        "checkpoint": {{"every_rounds": 1}},
    }}
    if when == "stop":
        job["output"] = {folder!r} + f"/{{name}}resume"
        for record in itertools.islice(hpcfl.rounds(job, comm), 4 if name == "boosting" else 2):
            assert record["trees"] < 20
        continue
    hpcfl.train(job, comm, resume="must" if when == "resume" else "")
    if comm.rank == 0:
        arrays, _ = h5.read(job["output"] + "/model.h5")
        text = b"".join(arrays[k].tobytes() for k in sorted(arrays))
        with open(job["output"] + "/summary.json") as file:
            import json
            summary = json.load(file)
        print(name, hashlib.md5(text).hexdigest(), summary["rounds"], summary.get("oob"), summary["final"])
"""


@pytest.fixture(scope="module")
def lines(mpirun, tmp_path_factory):
    """Return what the uninterrupted runs say, and the folder."""
    folder = tmp_path_factory.mktemp("forest")
    return mpirun(1, PROGRAM.format(when="", folder=str(folder)), timeout=180).stdout, folder


@pytest.mark.parametrize(("before", "after"), [(2, 3), (3, 1)])
def test_resume_on_other_ranks_gives_the_same_bits(mpirun, lines, before, after):
    want, folder = lines
    stops = folder / f"stop{before}"
    stops.mkdir()
    mpirun(before, PROGRAM.format(when="stop", folder=str(stops)), timeout=180)
    got = mpirun(after, PROGRAM.format(when="resume", folder=str(stops)), timeout=180).stdout
    assert len(want.splitlines()) == 3
    assert got == want


def test_boosting_stopped_early(lines):
    line = next(line for line in lines[0].splitlines() if line.startswith("boosting"))
    assert int(line.split()[2]) < 24
    assert "validation_loss" in line
