"""Signals in the seconds before training, while torch is being imported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
import torch

from trainer.engine.early import listen_early
from trainer.engine.requests import Requests, Stop

# Raises the signals at the very moment at which torch is first asked for.
PROGRAM = """
    import os, signal, sys
    class Finder:
        names = sys.argv[2:]
        def find_spec(self, name, path=None, target=None):
            if name == "torch":
                sys.meta_path.remove(self)
                for each in self.names:
                    os.kill(os.getpid(), getattr(signal, each))
    sys.meta_path.insert(0, Finder())
    from trainer.engine.__main__ import main
    sys.exit(main(sys.argv[1:2]))
"""


def train(run, *signals):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(run), *signals],
        cwd=run,
        timeout=120,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGINT"])
def test_a_stop_before_training_is_remembered(tmp_path, name):
    numbers = [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP]
    before = {number: signal.getsignal(number) for number in numbers}
    requests = Requests()
    try:
        listen_early(requests, tmp_path)
        for each in ("SIGHUP", name):
            os.kill(os.getpid(), getattr(signal, each))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert requests.stop_asked == Stop("step", name)


def test_a_stop_before_training_is_kept_to_the_first_step(lab, events):
    run = lab()
    done = train(run, "SIGHUP", "SIGINT")

    assert done.returncode == 130, done.stderr
    finished = events(run, "run_finished")[-1]
    assert (finished["status"], finished["reason"]) == ("stopped", "SIGINT")
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 1


def test_a_second_signal_leaves_at_once(lab):
    run = lab()
    done = train(run, "SIGTERM", "SIGTERM", "SIGINT")

    assert done.returncode == 0, done.stderr
    status = json.loads((run / "status.trainer.json").read_text())
    assert status["state"] == "stopped"
    assert status["reason"] == "SIGTERM, before training began"
    assert not (run / "logs" / "events.jsonl").exists()
