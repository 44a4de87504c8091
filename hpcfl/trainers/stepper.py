"""From a summed gradient to new parameters: mean, penalty, clipping, schedule, optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.data.shard import Shards
from hpcfl.errors import DivergedError
from hpcfl.kernels import updates
from hpcfl.trainers.gradients import TALLY
from hpcfl.trainers.objective import Objective


class Stepper:
    """Parameters and optimizer state, moved by the sums of each step.

    Attributes
    ----------
    w : (P,) float
        Parameters.
    state : (slots, P) float
        The optimizer's.
    grad : (P,) float
        Gradient of the last step's objective.
    t : int
        Steps made.
    rate : float
        Learning rate of the last step.
    asked : bool
        Whether a rank asked for a checkpoint or a stop with the last step's sums.
    """

    def __init__(self, job: Job, objective: Objective, shards: Shards, steps: int, comm: Comm) -> None:
        self.section, self.rule, self.comm = job.optimizer, job.optimizer.rule, comm
        self.kernel, self.hyper = self.rule.kernel(), self.rule.hyper()
        self.l2, self.penalized, self.steps = float(objective.rule.l2), objective.penalized, steps
        self.w, self.state = self.room(objective, job.seed)
        self.size = self.w.size
        self.grad = np.zeros(self.size, self.w.dtype)  # takes no memory unless it is used
        self.t, self.rate, self.asked = 0, 0.0, False
        self.sums = np.zeros(3)  # weight, loss and penalty of the epoch so far

    def room(self, objective: Objective, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the first parameters (P,) and the optimizer's first state (slots, P)."""
        w = objective.start(seed)
        return w, np.zeros((self.rule.slots, w.size), w.dtype)

    def warm(self, gradient: Any) -> None:
        """Compile every kernel of a step on one row, without changing anything (local)."""
        w, vector = self.w.copy(), np.zeros(self.size + TALLY, self.w.dtype)
        gradient.warm(w, vector)
        self._move(w, vector, self.state.copy(), 0.0, 1)
        updates.norm(w)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that the next step depends on, equal on every rank: what a checkpoint holds."""
        return {"w": self.w, "state": self.state, "sums": self.sums, "t": np.array(self.t), "rate": np.array(self.rate)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take over what `arrays` returned in another run."""
        self.w[:], self.state[:], self.sums[:] = arrays["w"], arrays["state"], arrays["sums"]
        self.t, self.rate = int(arrays["t"]), float(arrays["rate"])

    def step(self, vector: np.ndarray, failed: Exception | None = None) -> None:
        """Make one step with the sums over the batch in `vector` (P + TALLY,): gradient, then the tally.

        Raises
        ------
        DivergedError
            The loss or the gradient's norm is not finite (on all ranks alike).
        HpcflError
            A rank failed in its local part (on all ranks alike).
        """
        weight, loss, errors, stops = vector[-TALLY:].tolist()
        self.asked = stops > 0
        if errors > 0:
            with self.comm.together(f"computing the gradient of step {self.t + 1}"):
                if failed:
                    raise failed
        self.rate = self.rate_at(self.t)
        self.t += 1
        if not isfinite(loss):
            self._diverged("loss", loss)
        if weight > 0:
            penalty = self._move(self.w, vector, self.state, self.rate, self.t, 1 / weight)
            self.sums[0] += weight
            self.sums[1] += loss
            self.sums[2] += penalty * weight

    def epoch_means(self) -> dict[str, float]:
        """Return the objective's mean over the rows since the last call.

        Raises
        ------
        DivergedError
            The last step, whose loss no later step will see, left parameters that are not finite.
        """
        length = updates.norm(self.w)
        if not isfinite(length):
            self._diverged("norm of the parameters", length)
        weight, loss, penalty = self.sums
        self.sums[:] = 0
        return {"train_loss": (loss + penalty) / weight if weight else 0.0}

    def took(self, steps: int, rate: float, vector: np.ndarray) -> None:
        """Take note of steps that a kernel made, of which the last had this learning rate and these sums.

        Raises
        ------
        DivergedError
            As `step`.
        """
        _, loss, _, stops = vector[-TALLY:].tolist()
        self.t, self.rate, self.asked = self.t + steps, rate, stops > 0
        if not isfinite(loss):
            self._diverged("loss", loss)

    def rate_at(self, t: int) -> float:
        """Return the learning rate of the step that comes after `t` steps."""
        return self.rates(t, 1)[0]

    def rates(self, t: int, n: int) -> list[float]:
        """Return the learning rates of the `n` steps that come after `t` steps."""
        rate, warmup, factor = self.rule.learning_rate, self.section.warmup_steps, self.section.schedule.factor
        if t >= warmup:
            return [float(rate * factor(k, self.steps)) for k in range(t, t + n)]
        return [float(rate * min((k + 1) / warmup, 1.0) * factor(k, self.steps)) for k in range(t, t + n)]

    def _move(
        self, w: np.ndarray, vector: np.ndarray, state: np.ndarray, rate: float, t: int, scale: float = 1.0
    ) -> float:
        if not (self.l2 or self.section.clip_norm):
            self.kernel(w, vector[: w.size], scale, state, self.hyper, rate, t)
            return 0.0
        kind, grad = w.dtype.type, self.grad
        penalty = updates.finish(vector, kind(scale), w, self.penalized, kind(self.l2), grad)
        if self.section.clip_norm:
            self._clip(self.section.clip_norm)
        self.kernel(w, grad, 1.0, state, self.hyper, rate, t)
        return float(penalty)

    def _clip(self, limit: float) -> None:
        length = updates.norm(self.grad)
        if not isfinite(length):
            self._diverged("norm of the gradient", length)
        if length > limit:
            self.grad *= self.w.dtype.type(limit / length)

    def _diverged(self, what: str, value: float) -> None:
        with self.comm.together("stepping"):
            raise DivergedError(
                f"the {what} is {value} at step {self.t} with learning rate {self.rate:g}: "
                "lower optimizer.learning_rate, set optimizer.clip_norm, or standardize the data"
            )
