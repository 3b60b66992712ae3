"""Waiting threads of training spin briefly."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Says, when torch is first asked for, what OpenMP will find; then it goes no further.
PROGRAM = """
import os, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"))
            sys.stdout.flush()
            os._exit(0)
sys.meta_path.insert(0, Finder())
from trainer.engine.__main__ import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, "3000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "None"),
    ],
)
def test_openmp_is_told_before_torch_is_imported(tmp_path, given, found):
    ours = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    env = {name: value for name, value in os.environ.items() if name not in ours} | given
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env=env,
        timeout=60,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == found
