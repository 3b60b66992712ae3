"""`traindeck hardware`: this machine, the profiles that fit it, and the presets to use."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.output import json_line, line, note, table
from trainer.display import aligned
from trainer.errors import EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainer.config.hardware_detect import Machine
    from trainer.config.hardware_fit import Use, Verdict

DASH = "-"


def show(
    *, write: str | None, config_file: Path | None, profiles_dir: Path | None, as_json: bool
) -> int:
    """Detect, judge and print; see `traindeck hardware --help`.

    Raises:
        ConfigError: A file of the person's cannot be read, or is no valid TOML.
    """
    from trainer.config.hardware_detect import detect, facts_of
    from trainer.config.hardware_fit import best, uses, verdicts

    _readable(config_file, profiles_dir)
    machine = detect()
    found = verdicts(machine, profiles_dir, config_file)
    if write is not None:
        return _write(write, machine, found, profiles_dir, as_json)
    chosen = best(found)
    name = chosen.name if chosen is not None else "auto"
    presets = uses(name, profiles_dir, config_file)
    advice = list(_advice(machine))
    facts, told = facts_of(machine)
    if as_json:
        json_line(
            {
                "machine": machine.as_dict(),
                "auto": facts,
                "use": name,
                "profiles": [
                    {
                        "name": v.name,
                        "fits": v.fits,
                        "reasons": list(v.reasons),
                        "profile": dict(v.profile),
                    }
                    for v in found
                ],
                "presets": [
                    {"name": u.preset, "overrides": list(u.words), "clamp": u.clamp, "why": u.why}
                    for u in presets
                ],
                "advice": advice,
            }
        )
        return EXIT_OK
    line("this machine")
    for text in aligned([["", *row] for row in machine_rows(machine)]):
        line(text)
    line()
    _profiles(found)
    line()
    line(f"hardware=auto takes  {told}")
    line()
    _presets(presets, advice)
    line()
    line("a profile for this machine:  traindeck hardware --write NAME")
    return EXIT_OK


def machine_rows(machine: Machine) -> list[list[str]]:
    """Give what was found as rows of a label and a text."""
    from trainer.config.hardware_detect import gigabytes

    cpu, memory = machine.cpu, machine.memory
    limited = f", {cpu.usable:g} usable by {cpu.limited_by}" if cpu.limited_by else ""
    rows = [["cpu", f"{cpu.name or 'unknown'}, {cpu.cores} cores{limited}"]]
    if memory.usable is not None:
        free = f", {gigabytes(memory.available):g} GB free" if memory.available is not None else ""
        whole = f" of {gigabytes(memory.total):g}" if memory.limited_by and memory.total else ""
        by = f", by {memory.limited_by}" if memory.limited_by else ""
        rows.append(["memory", f"{gigabytes(memory.usable):g} GB{whole}{by}{free}"])
    else:
        rows.append(["memory", "unknown"])
    for gpu in machine.gpus:
        parts = [gpu.name]
        if gpu.memory is not None:
            free = f", {gigabytes(gpu.free):g} free" if gpu.free is not None else ""
            parts.append(f"{gigabytes(gpu.memory):g} GB{free}")
        if gpu.sm:
            parts.append(gpu.sm)
        if lacking := machine.lacking(gpu):
            parts.append(f"cannot be used: {lacking}")
        rows.append([f"{gpu.kind} {gpu.index}", ", ".join(parts)])
    if not machine.gpus:
        rows.append(["gpu", "none found"])
    rows += [["driver", f"{name} {version}"] for name, version in machine.drivers]
    torch = machine.torch
    if torch is None:
        rows.append(["torch", "not installed: pip install 'traindeck[train]'"])
    else:
        knows = f", compiled for {' '.join(torch.arches)}" if torch.arches else ""
        rows.append(["torch", f"{torch.version}, built for {torch.build}{knows}"])
    rows += [["note", text] for text in machine.said]
    return rows


def _profiles(found: Sequence[Verdict]) -> None:
    def cell(value: Any, unit: str = "") -> str:
        return DASH if value is None else f"{value:g}{unit}" if unit else f"{value:.2f}"

    rows = []
    for verdict in found:
        profile = verdict.profile
        count = profile.get("devices")
        device = str(profile.get("device") or "any")
        rows.append(
            [
                "yes" if verdict.fits else "no",
                verdict.name,
                f"{count} x {device}" if count and count > 1 else device,
                cell(profile.get("available_memory_gb"), " GB"),
                cell(profile.get("cost_per_hour")),
                "; ".join(verdict.reasons) or str(profile.get("name") or "what is found here"),
            ]
        )
    table(["FITS", "HARDWARE", "DEVICE", "MEMORY", "$/H", "WHAT IT IS, OR WHY NOT"], rows, (3, 4))


def _presets(presets: Sequence[Use], advice: Sequence[str]) -> None:
    line("presets to use")
    for use in presets:
        if use.words:
            clamp = " --clamp" if use.clamp else ""
            line(f"  traindeck train {shlex.join(use.words)}{clamp}")
            if use.why:
                line(f"      {use.why}")
        else:
            line(f"  {use.preset} does not fit: {use.why}")
    for text in advice:
        line(f"  {text}")


def _advice(machine: Machine) -> Iterator[str]:
    """Say which profiles of other groups suit the machine."""
    gpus = [gpu for gpu in machine.usable if gpu.kind != "mps"]
    if len(gpus) > 1:
        yield f"with trainer=multi_gpu all {len(gpus)} GPUs train side by side"
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
        yield "with trainer=kaggle_safe a run ends, with a checkpoint, before Kaggle ends the session"


def _readable(config_file: Path | None, profiles_dir: Path | None) -> None:
    """Refuse a broken file once, and not again for every preset."""
    from trainer.config.primary import primary
    from trainer.config.sources import search_path
    from trainer.errors import ConfigError

    sources = search_path(profiles_dir, None, config_file)
    if broken := [problem for file in sources.toml_files() for problem in file.problems]:
        raise ConfigError(*broken)
    primary(sources, config_file, Path.cwd())


def _write(
    name: str,
    machine: Machine,
    found: Sequence[Verdict],
    profiles_dir: Path | None,
    as_json: bool,
) -> int:
    from trainer.config.edit import ProfileText
    from trainer.config.edit_files import create, home_of
    from trainer.config.hardware_fit import profile_text

    path, shown = home_of("hardware", name, profiles_dir)
    hidden = any(verdict.name == name for verdict in found)
    path.parent.mkdir(parents=True, exist_ok=True)
    create(path, ProfileText(profile_text(machine, found), "hardware", shown))
    if hidden:
        note(
            f"note: from now on hardware={name} is this one here, and no longer the one of that name"
        )
    if as_json:
        json_line({"name": name, "path": str(path), "machine": machine.as_dict()})
        return EXIT_OK
    note(f"written: {shown}")
    line(f"use it with  traindeck train hardware={name}")
    return EXIT_OK
