"""How soon the command line answers: wall time of fresh processes, beside a bare interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

REPEATS = 9


def seconds(command: list[str]) -> float:
    """Run a command once and give its wall time in seconds."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> list[tuple[str, str, str]]:
    """Measure, interleaved, the median of each command."""
    python = sys.executable
    commands = {
        "bare": [python, "-c", "pass"],
        "traindeck --help": [python, "-m", "trainer.cli", "--help"],
        "traindeck config show": [python, "-m", "trainer.cli", "config", "show"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(REPEATS):
        for name, command in commands.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(values) for name, values in times.items()}
    targets = {"traindeck --help": "0.25 s", "traindeck config show": "–"}
    return [
        (
            f"`{name}`, fresh process",
            f"{medians[name]:.3f} s ({medians[name] / medians['bare']:.1f}x a bare interpreter)",
            target,
        )
        for name, target in targets.items()
    ]


if __name__ == "__main__":
    for row in main():
        print(" | ".join(row))
