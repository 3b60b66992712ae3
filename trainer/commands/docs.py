"""`python -m trainer.commands.docs`: writes docs/command-line.md from the commands themselves.

`--check` says whether the page is in step, and changes nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from trainer.cli import cli

PAGE = Path(__file__).resolve().parents[2] / "docs" / "command-line.md"

INTRODUCTION = """\
# The command line

Made from the commands themselves by `make docs`. How overrides are written stands in
[configuration.md](configuration.md); what lies in a run folder in [runs.md](runs.md).

## What a script may rely on

- **Exit codes** of `train`, `resume`, `rerun` and `watch` are the run's: 0 completed or stopped on
  request, 1 failed, killed or lost, 2 wrong input (nothing was started, or
  the data or the model refused it at once), 3 ended at its wall-clock limit, 4 out of memory. 130 means Ctrl-C here. `ablate` ends with 0 when every trial has trained to its end,
  with 1 when some have failed or were ended from outside.
- **stdout** holds the answer, **stderr** notes and errors. Neither ever holds control characters.
- **`--json`** of `train`, `resume`, `rerun` and `watch RUN` prints the events of the run as they
  happen, one JSON document a line (see [events.md](events.md)), and closes with a line of its own:
  `{"event": "ended", "run_id", "state", "reason", "exit_code", "path"}`. `ablate` prints what happens
  to the trials in the same way, and closes with `ended` and the results (see
  [sweeps.md](sweeps.md)). Other commands print one document. Numbers that JSON lacks are the texts `"NaN"`, `"Infinity"` and `"-Infinity"`.
- **A run is named** by its id, the beginning of its id, its name (the newest run of that name), its
  folder, or `last`; and so is a sweep.
- **`TRAINDECK_RUNS_DIR`** is the folder of runs where `--runs-dir` is not given; without both it is
  `./runs`.
"""


def page() -> str:
    """Give the whole page as Markdown."""
    parts = [INTRODUCTION, "## Commands\n"]
    for path, command in _commands(cli, "traindeck"):
        context = click.Context(
            command,
            info_name=path,
            max_content_width=96,
            terminal_width=96,
            # As the commands inherit them when they are typed.
            help_option_names=cli.context_settings["help_option_names"],
        )
        parts.append(f"### `{path}`\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def _commands(group: click.Group, path: str) -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, command in sorted(group.commands.items()):
        found.append((f"{path} {name}", command))
        if isinstance(command, click.Group):
            found += _commands(command, f"{path} {name}")
    return found


def main(args: list[str]) -> int:
    """Write the page, or check it."""
    text = page()
    if "--check" not in args:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE} is out of step: run make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
