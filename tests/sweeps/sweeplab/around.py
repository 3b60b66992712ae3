"""A model that writes down what it finds around itself: what a process is, and what it inherited."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
from pathlib import Path

import torch
from enginelab.tiny import Net

# The last two are set by readline in the test's own process, behind Python's back.
NOT_COMPARED = {"TRAINDECK_END", "_", "COLUMNS", "LINES"}


class Around(Net):
    """The smallest model.

    Args:
        fail: Whether to raise instead.
    """

    def __init__(self, fail: bool = False) -> None:
        if fail:
            raise RuntimeError("told to fail")
        super().__init__()
        mask = os.umask(0)
        os.umask(mask)
        found = {
            "argv": sys.argv,
            "orig_argv": sys.orig_argv,
            "main": sys.modules["__main__"].__spec__.name,
            "path": sys.path,
            "flags": list(sys.flags),
            "cwd": str(Path.cwd()),
            "env": {k: v for k, v in sorted(os.environ.items()) if k not in NOT_COMPARED},
            "umask": mask,
            "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            "handlers": {
                str(n): str(signal.getsignal(n)).split(" at ")[0]
                for n in sorted(signal.valid_signals())
            },
            "nice": os.nice(0),
            "files": resource.getrlimit(resource.RLIMIT_NOFILE),
            "leads": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
            "stdin": os.path.realpath("/proc/self/fd/0"),
            "stdout": os.path.realpath("/proc/self/fd/1"),
            "threads": torch.get_num_threads(),
            "interop": torch.get_num_interop_threads(),
            "hash": hash("text"),
            "drawn": [random.random(), torch.rand(1).item()],
        }
        (Path(sys.argv[1]) / "around.json").write_text(json.dumps(found))
