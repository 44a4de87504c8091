"""What a federated forest sends: trees and counts; no row, no value of a column, no target."""

import json

PROGRAM = """
import json
import numpy as np
import hpcfl
from hpcfl.comm.communicator import world
from hpcfl.data import h5


class Spy:
    def __init__(self, mpi):
        self.mpi, self.sent = mpi, []

    def __getattr__(self, name):
        found = getattr(self.mpi, name)
        if not name[0].isupper() or not callable(found):
            return found

        def call(*args):
            for arg in args[:1]:
                buffer = arg[0] if isinstance(arg, list) else arg
                buffer = args[1] if not isinstance(buffer, np.ndarray) and len(args) > 1 else buffer
                if isinstance(buffer, np.ndarray):
                    self.sent.append(buffer.copy())
            return found(*args)

        return call


comm = world()
comm.mpi = spy = Spy(comm.mpi)
rng = np.random.default_rng(0)
traffic = []
for rows, bootstrap in ((300, True), (600, True), (600, False)):
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    y = x[:, 0] + rng.normal(size=rows)
    if comm.rank == 0:
        h5.write_atomic({folder!r} + "/a.h5", {{"x": x, "y": y}}, {{"format": "hpcfl", "version": 1}})
    comm.barrier()
    hpcfl.train({{
        "output": {folder!r} + f"/run{{rows}}{{bootstrap}}",
        "data": {{"train": {folder!r} + "/a.h5", "test": 0.3}},
        "model": {{
            "name": "forest", "trees": 6, "distribute": "federated", "oob": True, "permutations": 1,
            "bootstrap": bootstrap, "min_samples_leaf": 5, "max_depth": 3,
        }},
        "train": {{"mode": "forest"}},
        "checkpoint": {{"every_seconds": 0}},
    }}, comm)
    traffic.append(dict(comm.traffic.sent))  # of this run: each begins to count anew
    values = set(x.reshape(-1).tolist())
    if not bootstrap:  # a row that is drawn often enough may fill a leaf, whose mean is its target
        values |= set(y.astype(np.float32).tolist())
    seen = sum(v.size for v in spy.sent)
    assert seen > 500
    for message in spy.sent:
        if message.dtype.kind == "f":
            assert not values & set(message.reshape(-1).astype(np.float32).tolist()), message
        assert message.size < 400 or message.dtype != np.uint8
    spy.sent.clear()
assert "permutation" in traffic[0] and "bins" not in traffic[0] and "range" not in traffic[0]
if comm.rank == 0:
    print(json.dumps(traffic))
"""


def test_no_row_and_no_target_leaves_its_rank(mpirun, tmp_path):
    done = mpirun(2, PROGRAM.format(folder=str(tmp_path)))
    small, large, _ = json.loads(done.stdout)
    # Twice the rows: only trees may be larger, and they are bounded by their depth. Exact sums go by exponents.
    for name in set(small) - {"trees", "metrics", "permutation"}:
        assert small[name] == large[name], name
    assert large["trees"] < 4000
