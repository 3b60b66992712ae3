"""What a config asks of this very machine: refused before a process is started where it cannot be had.

Only what is certain is refused. Where nobody could be asked, the training process finds out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainer.config.hardware_detect import Machine
from trainer.config.hardware_fit import misfits, verdicts
from trainer.config.hardware_rules import governs, hardware_name
from trainer.config.text import clean
from trainer.errors import Problem

_GPU = ("gpu", "cuda", "mps")


def lacking(config: Mapping[str, Any], machine: Machine | None = None) -> Iterator[Problem]:
    """Find a GPU that is asked for and that the installed PyTorch cannot use here.

    Args:
        config: The resolved config; one that trains on a CPU is not looked at further.
        machine: The machine; this one if None.
    """
    accelerator = (config.get("trainer") or {}).get("accelerator")
    if accelerator not in _GPU:
        return
    machine = machine or _this()
    if machine.torch is None:
        return
    macs = [gpu for gpu in machine.gpus if gpu.kind == "mps"]
    others = [gpu for gpu in machine.gpus if gpu.kind != "mps"]
    if macs and accelerator != "cuda":
        return
    if accelerator != "mps" and any(not machine.lacking(gpu) for gpu in others):
        return
    remedy = _remedy(machine)
    if others and accelerator != "mps":
        why = clean(machine.lacking(others[0]))
        yield Problem(
            f"Hardware {clean(others[0].name)} is unsupported: {why}.",
            "",
            f"{remedy} Or install a PyTorch that knows it: https://pytorch.org/get-started/locally",
            "trainer.accelerator",
        )
    elif accelerator == "mps" or not (machine.torch.cuda or machine.torch.hip):
        built = f"PyTorch {machine.torch.version} is built for {machine.torch.build}"
        yield Problem(
            f"'trainer.accelerator' is {accelerator}, and torch finds no such device here: {built}.",
            "",
            remedy,
            "trainer.accelerator",
        )


def notes(config: Mapping[str, Any], machine: Machine | None = None) -> Iterator[str]:
    """Tell where the hardware profile promises more than this machine has.

    Args:
        config: The resolved config; one that trains on a CPU is not looked at further.
        machine: The machine; this one if None.
    """
    hardware = config.get("hardware") or {}
    if (config.get("trainer") or {}).get("accelerator") not in _GPU or not governs(config):
        return
    machine = machine or _this()
    if machine.gpus:
        for reason in misfits(hardware, machine):
            yield f"{hardware_name(config)} is not this machine: {reason}"


def _remedy(machine: Machine) -> str:
    fitting = [f"hardware={verdict.name}" for verdict in verdicts(machine) if verdict.fits]
    return (
        f"What works here: {', '.join(fitting)}; where the accelerator or the precision is set by hand, "
        "with trainer.accelerator=auto trainer.precision=null. `traindeck hardware` says more."
    )


def _this() -> Machine:
    from trainer.config import hardware_detect

    return hardware_detect.machine()
