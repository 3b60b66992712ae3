"""Asks how much memory a training will take, of a process that has torch; this one has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.config.hardware_rules import governs, hardware_name
from trainer.runs.helper import HelperProcess

GIB = 2**30
#: How far estimates lie off measured peaks at most, as measured in docs/estimate.md.
ERROR = 0.15


@dataclass(frozen=True)
class Estimate:
    """What each process of a training takes, in bytes; see `trainer.engine.estimate.estimate`.

    Attributes:
        parameters: Values of the model.
        trained: Those of them that are trained.
        devices: Processes, one for each device; None if that shows only when training starts.
        weights: Weights and buffers.
        gradients: Of what is trained.
        state: What the optimiser keeps; None if unknown.
        averages: Copies of the weights that callbacks keep.
        buckets: Copies of the gradients, in which DDP sends them.
        activations: What a step holds on top; None if unknown.
        method: `shapes`, `scaled`, or empty where activations are unknown.
        batch: Samples of the batch.
        notes: What a person should know of it.
        shards: Among how many devices the strategy divides weights, gradients and state.
        gathered: Weights and gradients that are whole all the same while they are used.
        partial: Whether kernels keep memory that nobody can tell, so that it is more than this.
    """

    parameters: int
    trained: int
    devices: int | None
    weights: int
    gradients: int
    state: int | None
    averages: int
    buckets: int
    activations: int | None
    method: str
    batch: int | None
    notes: list[str]
    shards: int = 1
    gathered: int = 0
    partial: bool = False

    @property
    def exact(self) -> int:
        """Weights, gradients, state and copies: what is known exactly."""
        held = self.weights + self.gradients + (self.state or 0) + self.gathered
        return held + self.averages + self.buckets

    @property
    def total(self) -> int:
        """All that is known."""
        return self.exact + (self.activations or 0)

    @property
    def whole(self) -> bool:
        """Whether all parts are known."""
        return self.activations is not None and self.state is not None and not self.partial

    def fits(self, limit: float | None) -> bool | None:
        """Say whether it fits into so many bytes; None if nobody can tell."""
        if limit is None:
            return None
        if self.total > limit:
            return False
        return True if self.whole else None


def limit_of(config: Mapping[str, Any]) -> int | None:
    """Give the bytes of each device, if the hardware profile is of the kind that trains."""
    memory = (config.get("hardware") or {}).get("available_memory_gb")
    if memory is None or not governs(config):
        return None
    return int(memory * GIB)


class EstimateProcess(HelperProcess):
    """A process with torch that estimates one config after the other."""

    what = "the memory of a training"

    def estimate(self, config: Mapping[str, Any], *, prepare: bool = False) -> Estimate:
        """Estimate a composed config; takes seconds.

        Args:
            config: It has no problems.
            prepare: Whether data that give no example of a batch may be prepared and read.

        Raises:
            ConfigError: The model cannot be built.
            RunError: The process failed.
        """
        asked = {"memory": config, "prepare": prepare}
        return Estimate(**self.ask(asked)["estimate"])


def error_of(found: Estimate, config: Mapping[str, Any]) -> float | None:
    """Give the error that was measured for estimates like this; None where none was."""
    measured = (config.get("trainer") or {}).get("accelerator") == "cpu" and found.shards == 1
    return ERROR if measured and found.whole else None


def verdict(found: Estimate, config: Mapping[str, Any], limit: int | None) -> str:
    """Say in words whether it fits into what the hardware profile has."""
    known = "" if found.whole else "at least that; "
    error = f"within {100 * ERROR:.0f} %; " if found.whole else known
    if found.whole and error_of(found, config) is None:
        error = f"within {100 * ERROR:.0f} % on a CPU, not measured on a GPU; "
    if found.shards > 1:
        error = f"{known}computed, not measured; "
    if limit is None:
        return f"{error}no limit is known: name the hardware (hardware=auto)"
    each = " on each device" if (found.devices or 2) > 1 else ""
    has = f"{hardware_name(config)} has {limit / GIB:.4g} GiB{each}"
    fits = found.fits(limit)
    if fits is None:
        return f"{error}{has}"
    if fits and found.total * (1 + ERROR) > limit:
        return f"{error}just fits: {has}"
    return f"{error}{'fits' if fits else 'does not fit'}: {has}"
