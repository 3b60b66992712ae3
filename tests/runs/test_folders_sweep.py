"""What a killed launcher leaves half made does not stay for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from trainer.runs.folders import make_folder
from trainer.runs.index import RunIndex

DIES = """
import os, signal, sys
from pathlib import Path
from trainer.runs.folders import make_folder
make_folder(Path(sys.argv[1]), "x", files=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_launcher_killed_half_way_is_cleared_up_after_an_hour(tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], check=False)
    assert died.returncode == -signal.SIGKILL
    (left,) = tmp_path.glob("*/.making-*")
    assert not RunIndex(tmp_path).list()

    make_folder(tmp_path, "too early")
    assert left.exists()
    hours_ago = time.time() - 4000
    os.utime(left, (hours_ago, hours_ago))
    make_folder(tmp_path, "late enough")
    assert not left.exists()
    assert len(RunIndex(tmp_path).list()) == 2


def test_what_lives_or_is_not_ours_stays(tmp_path: Path) -> None:
    day = make_folder(tmp_path, "x").path.parent
    mine = day / f".making-abc-{os.getpid()}"
    other = day / "making-abc-999999999"
    inside = tmp_path / "elsewhere"
    link = day / ".making-abc-999999999"
    for path in (mine, other, inside):
        path.mkdir()
        os.utime(path, (0, 0))
    link.symlink_to(inside)
    os.utime(link, (0, 0), follow_symlinks=False)
    make_folder(tmp_path, "y")
    assert mine.exists()
    assert other.exists()
    assert inside.exists()
    assert link.is_symlink()
