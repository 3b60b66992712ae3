"""What cannot be printed is lost, and training goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
NOISY = """
import logging, sys, warnings
from trainer.engine.output import keep_printing
keep_printing()
handler = logging.StreamHandler()
for line in range(3):
    print("x" * 100_000, "\\udcff \\u2713")
    print("to stderr", file=sys.stderr, flush=True)
    sys.stdout.buffer.write(b"bytes")
    handler.emit(logging.makeLogRecord({"msg": "logged"}))
    warnings.warn(f"warned {line}")
sys.stdout.flush()
open(sys.argv[1], "w").write("reached")
"""


def run(code, tmp_path, **streams):
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "end")],
        check=False,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "ascii"},
        **streams,
    )
    return done, (tmp_path / "end").exists()


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_takes_nothing_and_ends_nothing(tmp_path):
    with FULL.open("wb") as full:
        done, reached = run(NOISY, tmp_path, stdout=full, stderr=full)
        assert (done.returncode, reached) == (0, True)
        # The same without our streams: this is what would end a training.
        bare, reached = run("print(1, flush=True)", tmp_path / "bare", stdout=full, stderr=full)
    assert (bare.returncode != 0, reached) == (True, False)


def test_a_reader_that_leaves_ends_nothing(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done, reached = run(NOISY, tmp_path, stdout=writer, stderr=writer)
    os.close(writer)
    assert (done.returncode, reached) == (0, True)


def test_what_can_be_printed_is(tmp_path):
    done, _ = run(NOISY, tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout.count(b"x" * 100_000 + b" \\udcff \\u2713\n") == 3
    assert done.stdout.count(b"bytes") == 3
    assert done.stderr.count(b"to stderr\n") == done.stderr.count(b"logged\n") == 3


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_training_ends_well_behind_a_full_disk(lab, events, tmp_path):
    folder = lab(**{"trainer.max_epochs": 1, "trainer.log_model_structure": True})
    with FULL.open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "trainer.engine", str(folder)],
            cwd=tmp_path,
            stdout=full,
            stderr=full,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0
    assert events(folder, "run_finished")[-1]["status"] == "completed"
