"""`make bench`: every measured figure in one table.

Each benchmark runs in a process of its own, so that memory figures are its own. `--write` puts the
table into docs/performance.md, where tables that were not measured stay; names after it choose benchmarks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

BENCHMARKS = {
    "events": "Events: a million steps",
    "compose": "Composing configs",
    "edit": "Editing profiles",
    "runs": "Runs and supervisor",
    "callback": "Cost of the events callback",
    "checkpoint": "Checkpoints",
    "health": "Health: alarms, true and false",
    "loggers": "Cost of a logger, beside the same in plain Lightning",
    "sweeps": "Sweeps: warm workers, fresh processes, and a loop",
    "lora": "Fine-tuning with LoRA, beside transformers' Trainer with PEFT",
    "spectra": "Spectra: scores beside answers without a network; time and memory of the guardrails",
    "estimate": "Memory, estimated and measured",
    "cli": "Command line",
    "app": "The app, in a terminal of 120x40",
    "chart": "Charts",
}
PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def run(name: str) -> list[tuple[str, str, str]]:
    """Run one benchmark in a fresh process and give its rows."""
    code = (
        f"import json, sys; from benchmarks.{name} import main; rows = main(); "
        "print('ROWS ' + json.dumps(rows))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False
    )
    for text in reversed(done.stdout.splitlines()):
        if text.startswith("ROWS "):
            return [(row[0], row[1], row[2]) for row in json.loads(text[5:])]
    return [(name, f"did not finish (exit code {done.returncode})", "")]


def machine() -> str:
    """Describe the machine in one line."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def table(name: str, rows: list[tuple[str, str, str]]) -> str:
    """Write the results of one benchmark as a Markdown table with its title."""
    lines = [f"### {BENCHMARKS[name]}", "", f"`python -m benchmarks {name}`", ""]
    lines += ["| what | measured | target |", "|---|---|---|"]
    lines += [f"| {what} | {got} | {want} |" for what, got, want in rows]
    return "\n".join(lines) + "\n"


def markdown(tables: dict[str, str]) -> str:
    """Put tables together in the order of `BENCHMARKS`, below what they were measured on."""
    ordered = [tables[name] for name in BENCHMARKS if name in tables]
    return "\n".join([f"Measured on {machine()}.\n", *ordered])


def kept(text: str) -> dict[str, str]:
    """Give the tables that stand on the page, by the names of their benchmarks."""
    found: dict[str, str] = {}
    for part in re.split(r"(?m)^(?=### )", text)[1:]:
        title = part.partition("\n")[0].removeprefix("### ")
        found |= {name: part.rstrip() + "\n" for name, each in BENCHMARKS.items() if each == title}
    return found


def main() -> int:
    """Run the chosen benchmarks and print their table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join(BENCHMARKS))
    parser.add_argument(
        "--write", action="store_true", help="keep the table in docs/performance.md"
    )
    options = parser.parse_args()
    for name in options.names:
        if name not in BENCHMARKS:
            parser.error(f"no benchmark '{name}'; there are {', '.join(BENCHMARKS)}")
    results = {}
    for name in options.names or BENCHMARKS:
        print(f"running {name} …", file=sys.stderr, flush=True)
        results[name] = run(name)
    tables = {name: table(name, rows) for name, rows in results.items()}
    print(markdown(tables))
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        block, _, after = rest.partition(END)
        text = markdown(kept(block) | tables)
        PAGE.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
