"""What a federation has cost so far, and what it took to reach its target."""

from __future__ import annotations

from typing import Any


class Spending:
    """Bytes so far and up to the first evaluation that met the target.

    Attributes
    ----------
    sums : list of 7 int
        Bytes up and down; round, bytes up and down at the target, round 0 being not yet;
        updates that were taken, and that were left out. Checkpoints hold it.
    """

    def __init__(self, target: float) -> None:
        self.target, self.sums = target, [0] * 7

    def add(self, record: dict[str, Any]) -> None:
        """Take in the record of a round, with its evaluation if there was one."""
        up, down, *at, taken, out = self.sums
        up, down = up + record["uplink_bytes"], down + record["downlink_bytes"]
        rejected = len(record["rejected"])
        found = reached(record)
        if self.target and not at[0] and found is not None and found >= self.target:
            at = [record["round"], up, down]
        self.sums = [up, down, *at, taken + len(record["cohort"]) - rejected, out + rejected]

    def notes(self, bound: float) -> list[str]:
        """Return what there is to say at the end of updates of which none was taken."""
        taken, out = self.sums[5:]
        if taken:
            return []
        why = f"{out} were left out as not finite or past federated.bound = {bound:g}" if out else "none came"
        return [f"no client's update was taken in any round, the model is as it began: {why}; see log.jsonl"]

    def summary(self) -> dict[str, Any]:
        """Return the entries of ``summary.json``; rounds and bytes are null for a target that was not met."""
        up, down, *at = self.sums[:5]
        names = ("rounds", "uplink_bytes", "downlink_bytes")
        to = dict(zip(names, at if at[0] else (None, None, None), strict=True))
        return {
            "uplink_bytes": up,
            "downlink_bytes": down,
            **({"to_target": {"target": self.target, **to}} if self.target else {}),
        }


def reached(record: dict[str, Any]) -> float | None:
    """Return the accuracy (r2) on the test set, else the clients' mean accuracy, None if neither was measured."""
    test, clients = record.get("test", {}), record.get("clients", {})
    found = test.get("accuracy", test.get("r2", clients.get("accuracy", {}).get("mean")))
    return None if found is None else float(found)
