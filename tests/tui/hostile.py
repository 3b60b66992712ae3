"""A project in which every text that somebody else wrote tries to steer the terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from tuilab import NOW

#: What could do harm; the letters in capitals should be read as they stand, or not at all.
STEERING = (
    "\x1b]52;c;RVZJTA==\x07COPIED",
    "\x1b]0;TITLE\x07NAMED",
    "\x1b]2;TITLE\x1b\\NAMED",
    "\x1b]8;;http://evil.example\x1b\\LINKED\x1b]8;;\x1b\\",
    "\x1b[2J\x1b[HCLEARED",
    "\x1b[31;1mCOLOURED\x1b[0m",
    "\x1b[6n\x1b[cASKED",
    "\x1bPq#0;2;0;0;0\x1b\\DCS",
    "\x1b_Gf=24;AAAA\x1b\\APC",
    "\x9b2JC1\x90DCS\x9c\x9d52;c;RVZJTA==\x9c",
    "BELL\x07\x08\x08\x0e\x0fSHIFT\x7f\x00",
    "\x1bcRESET\x1b(0\x1b#8\x1b7\x1b8",
    "OPEN\x1b]52;c;RVZJTA==",
    "HALF\x1b[",
    "TAB\tLINE\nNEXT\rBACK\x0b\x0c\x85\u2028\u2029END",
    "\x1b[?1049l\x1b[?25h\x1b[?1000hMODES",
)
MARKUP = (
    "[red]RED[/red]",
    "[link=http://evil.example]LINK[/link]",
    "[@click=app.exit]CLICK[/]",
    "[/]CLOSING[/nothing]",
    "[bold",
    "\\[ESCAPED]",
    "$text-error:SMILE:",
)
WIDE = (
    "\u65e5\u672c\u8a9e\u306e\u540d\u524d\u65e5\u672c\u8a9e\u306e\u540d\u524d",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466family",
    "a\u200d\u65e5\u200d\u65e5\u200d\u65e5\u200d\u65e5\u200d\u65e5\u200d\u65e5joined",
    "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7flags",
    "\U0001f44d\U0001f3fd\U0001f44d\U0001f3ffskin",
    "\u2764\ufe0f\u263a\ufe0f1\ufe0f\u20e3signs",
    "Z\u0301\u0302\u0303\u0304" + "\u0300\u0334\u0489" * 60 + "algo",
    "soft\u00ad\u200b\u2060\ufeff\u180ehidden",
    "\u202eesrever\u202c\u2066isolate\u2069\u200f\u061c",
    "tags\U000e0068\U000e0069\U000e007f\U0001f3f4\U000e0067\U000e0062\U000e007f",
    "half\ud83d\udc00\ud800",
    "\u1100\u1161\u11a8\u1100\u1161jamo\u115f\u3164",
    "\u0915\u094d\u200d\u0937\u093f\u0e01\u0e33",
    "x" * 5000,
)
ALL = (*STEERING, *MARKUP, *WIDE)


def texts() -> Iterator[str]:
    """All of it, again and again."""
    return cycle(ALL)


def some(count: int, start: int = 0) -> str:
    """A few of them in one text."""
    return " ".join((*ALL, *ALL)[start : start + count])


def _name(text: str) -> str:
    """As much of a text as can be a file's name."""
    encoded = text.replace("/", "_").replace("\0", "").encode("utf-8", "replace")
    return os.fsdecode(encoded[:120])


def events(number: int) -> list[dict[str, Any]]:
    """A stream with everything in it."""
    text = texts()
    found: list[dict[str, Any]] = [
        {
            "ts": NOW - 500,
            "event": "run_started",
            "run_id": next(text),
            "host": ALL[number % len(ALL)],
            "pid": "\x1b[2J1",
            "total_steps": 400,
            "total_epochs": 2,
            "metrics": {each: {"unit": each, "goal": each} for each in ALL}
            | {"train/loss": {"unit": "\x1b]0;T\x07nats", "goal": "min"}},
            "resumed_from": some(2, number),
        }
    ]
    for step in range(1, 60):
        metrics: dict[str, Any] = {"train/loss": 2 / step, "lr": 1e-3, "grad_norm": 1.0}
        if step % 5 == 0:
            metrics["val/loss"] = 2.2 / step
            metrics |= {f"{each}/{i}": step / (i + 1) for i, each in enumerate(ALL[:12])}
            metrics |= dict.fromkeys(ALL[12:], step * 1.5)
        if step == 30:
            metrics["train/loss"] = "NaN"
        found.append(
            {
                "ts": NOW - 500 + step,
                "event": "metrics",
                "step": step,
                "epoch": 0,
                "metrics": metrics,
            }
        )
    for i, each in enumerate(ALL):
        where = {"ts": NOW - 400 + i, "step": i, "epoch": 0}
        level = ("info", "warning", "error", each)[i % 4]
        found += [
            {**where, "event": "log", "level": level, "message": each, "logger": each},
            {
                **where,
                "event": "alert",
                "level": level if i % 2 else "critical",
                "kind": each,
                "message": each,
                "advice": each,
                "metric": each,
            },
            {
                **where,
                "event": "checkpoint_saved",
                "path": f"checkpoints/{each}.ckpt",
                "reason": each,
                "kept": True,
                "bytes": 1000,
                "monitor": each,
                "value": 0.5,
            },
            {**where, "event": each, "message": each, each: each},
            {**where, "event": "surprise", "payload": {each: [each]}},
        ]
    found += [
        {"ts": NOW - 300, "event": "log", "message": {"deep": [ALL[0]]}},
        {"ts": NOW - 300, "event": "log", "message": "\n".join(ALL)},
        {
            "ts": NOW - 299,
            "event": "run_finished",
            "status": "failed",
            "reason": some(4, number),
            "exit_code": "\x1b[2J",
        },
    ]
    return found


def run(runs_dir: Path, number: int) -> Path:
    """A run of which nothing can be trusted."""
    text = ALL[number % len(ALL)]
    more = ALL[(number + 7) % len(ALL)]
    folder = runs_dir / "2026-03-01" / f"11-{number:02d}-00-{_name(text)}-h{number:06d}"
    for part in ("logs", "checkpoints", "control", "outputs"):
        (folder / part).mkdir(parents=True)
    identity = {
        "v": 1,
        "id": f"h{number:06d}",
        "name": text,
        "created": NOW - 3600 - number,
        "tags": [text, more, *MARKUP],
        "preset": more,
        "recipe": text,
        "host": more,
        "launcher": text,
        "command": ["traindeck", "train", text, more],
        "parent": {"id": text, "path": more} if number % 2 else None,
        "config_hash": text,
        "cwd": more,
        "runs_dir": text,
        text: text,
    }
    status = {
        "v": 1,
        "state": ("failed", "completed", "stopped", text)[number % 4],
        "writer": text,
        "host": text,
        "boot_id": more,
        "pid": 999_999,
        "pid_start": text,
        "supervisor_pid": 999_998,
        "supervisor_start": more,
        "started": NOW - 3599,
        "heartbeat": NOW - 3500,
        "ended": NOW - 3500,
        "exit_code": 1,
        "signal": text,
        "reason": some(3, number),
        "attempt": 1,
        "progress": {
            "step": 59,
            "epoch": 0,
            "total_steps": 400,
            "rate": 3.0,
            "metrics": {"train/loss": 0.5, "val/loss": 0.6, text: 1.0},
        },
    }
    (folder / "run.json").write_text(json.dumps(identity))
    (folder / "status.json").write_text(json.dumps(status))
    config = {"seed": 1, "run": {"name": text}, "trainer": {text: more, "max_steps": text}}
    config |= {each: each for each in ALL}
    (folder / "config.yaml").write_text(json.dumps(config))
    origins = {
        key: {"where": text, "line": 3, "text": more, "kind": more} for key in ("seed", text)
    }
    (folder / "provenance.json").write_text(json.dumps(origins))
    lines = [json.dumps({"v": 1, **event}) for event in events(number)]
    raw = ["not json \x1b]52;c;RVZJTA==\x07 RAW", '{"event": "log", "message": "RAW \x1b[2J"}']
    stream = "\n".join([*lines, *raw]).encode("utf-8", "surrogatepass") + b"\n\xff\xfe\x9b2J\n"
    (folder / "logs" / "events.jsonl").write_bytes(stream)
    output = "\n".join(ALL).encode("utf-8", "surrogatepass")
    output += b"\n\xff\xfe\x9b2JBYTES\xc3\n progress 1%\r progress 99%\r\n"
    (folder / "logs" / "output.log").write_bytes(output)
    for each in ALL:
        (folder / "checkpoints" / (_name(each)[:60] + ".ckpt")).write_bytes(b"x")
    return folder


PROFILE = """\
# Doc %(text)s
# [red]doc[/red] \x1b]52;c;RVZJTA==\x07 \x9b2J \x07
trainer:
  max_steps: 5  # [link=x]comment[/link] \u65e5\u672c
  "evil\\e]0;T\\akey": "\\e]52;c;RVZJTA==\\a VALUE \\x9b2J"
  name: "[red]VALUE[/red] \\ud83d \U0001f468\u200d\U0001f469\u200d\U0001f467 \\u202e"
"""


def profiles(folder: Path) -> None:
    """Profiles of presets that are no better."""
    preset = folder / "preset"
    preset.mkdir(parents=True)
    for number, text in enumerate(ALL):
        path = preset / f"{_name(text)[:40]}{number}.yaml"
        body = PROFILE.replace("%(text)s", text.replace("\n", " "))
        path.write_bytes(body.encode("utf-8", "surrogatepass"))
    (preset / "aaa.yaml").write_text(
        "# @package _global_\n# [red]DOC[/red] \u65e5\u672c \U0001f468\u200d\U0001f469\n"
        "defaults:\n  - _self_\ntrainer:\n  max_steps: 7  # [@click=app.exit]C[/] \u202e\n"
        'run:\n  name: "\\e]52;c;RVZJTA==\\aVALUE[red]"\n'
        '  tags: ["[red]", "\\x9b2J", "\u65e5\u672c", "\U0001f1e9\U0001f1ea"]\n'
    )
    (preset / "aab.yaml").write_bytes(b"a: \x1b]52;c;RVZJTA==\x07\n\xff\xfe: [red]\n")


def project(folder: Path, count: int = 8) -> Path:
    """All of it in a folder; gives the folder of runs."""
    runs_dir = folder / "runs"
    for number in range(count):
        run(runs_dir, number * 5 % len(ALL))
    profiles(folder / "profiles")
    return runs_dir
