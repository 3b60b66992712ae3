"""A stop that reaches loader workers too, at the worst moment: while they start."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys

import pytest
from torch.utils.data import DataLoader

from trainer.engine.fit import end_of_error
from trainer.engine.requests import Requests, signals_ask
from trainer.engine.workers import shielded_workers

# A worker's loop begins with torch's own signal handlers, before anything of the loader's.
EARLY_TERM = """
import json, os, signal, sys
import trainer.engine.fit
from torch.utils.data._utils import signal_handling
from trainer.engine.__main__ import main

torchs = signal_handling._set_worker_signal_handlers

def set_then_term():
    torchs()
    try:
        lines = len(open(os.path.join(run, "diary")).readlines())
    except OSError:
        lines = 0
    if lines >= int(when):
        try:
            os.close(os.open(os.path.join(run, "sent"), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.killpg(0, getattr(signal, sign))

signal_handling._set_worker_signal_handlers = set_then_term
codes = []
# Each in a session of its own, with what takes seconds to import from here.
for run, when, sign in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        os.setsid()
        os.dup2(os.open(os.path.join(run, "stderr"), os.O_CREAT | os.O_WRONLY), 2)
        os.dup2(2, 1)
        sys.exit(main([run]))
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""


def test_a_signal_to_the_group_while_workers_start_is_a_stop(lab, events, tmp_path):
    # After no step it finds the workers of training, after an epoch those of validation; those of
    # a loader of one's own are as safe.
    cases = ((0, "SIGTERM", 0, False), (11, "SIGTERM", 0, False), (0, "SIGINT", 130, True))
    runs = []
    for number, (_, _, _, own) in enumerate(cases):
        more = {"dataloader.num_workers": 1, "trainer.max_epochs": 4}
        if own:
            more["data"] = {"_target_": "enginelab.tiny.Module", "kind": "weighted", "workers": 1}
            more["trainer.limit_val_batches"] = 0
        run = lab(f"run-{number}", **more)
        diary = {"_target_": "enginelab.tiny.Diary", "path": str(run / "diary")}
        runs.append(lab(f"run-{number}", **more, **{"callbacks.diary": diary}))
    asked = [(str(run), when, sign) for run, (when, sign, _, _) in zip(runs, cases, strict=True)]

    done = subprocess.run(
        [sys.executable, "-c", EARLY_TERM, json.dumps(asked)],
        cwd=tmp_path,
        capture_output=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    ended = json.loads(done.stdout)
    for run, found, (_, sign, code, _) in zip(runs, ended, cases, strict=True):
        said = (run / "stderr").read_text()
        assert (run / "sent").exists()
        assert "killed" not in said
        assert found == code, said
        finished = events(run, "run_finished")[-1]
        assert (finished["status"], finished["reason"]) == ("stopped", sign)
        assert (run / "checkpoints" / "last.ckpt").exists()


# Unpickled where the worker is born by spawn or forkserver, fetched from where it is forked.
ANY_START = """
import json, os, signal, sys, threading
import torch
from torch.utils.data import DataLoader
from trainer.engine.workers import shielded_workers

class Terms:
    def __init__(self, method): self.method = method
    def __len__(self): return 4
    def __setstate__(self, state):
        self.__dict__ = state
        os.killpg(0, signal.SIGTERM)
    def __getitem__(self, index):
        os.killpg(0, signal.SIGTERM)
        blocked = signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, [])
        return int(blocked)

def tell_mask():
    os._exit(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, []))

def read(found):
    for method in ("fork", "spawn", "forkserver"):
        loader = DataLoader(Terms(method), num_workers=1, multiprocessing_context=method)
        iterator = iter(loader)
        found[method] = [int(batch) for batch in iterator]
        worker = iterator._workers[0]
        worker.terminate()
        worker.join(20)
        found[method].append(worker.exitcode)

if __name__ == "__main__":
    terms = []
    signal.signal(signal.SIGTERM, lambda *_: terms.append(1))
    found = {}
    with shielded_workers():
        thread = threading.Thread(target=read, args=(found,))
        thread.start()
        thread.join()
        for method in ("fork", "forkserver"):
            other = torch.multiprocessing.get_context(method).Process(target=tell_mask)
            other.start()
            other.join()
            found["other " + method] = other.exitcode
    found["terms"] = len(terms) > 0
    print(json.dumps(found))
"""


def test_workers_are_shielded_however_and_wherever_they_start(tmp_path):
    script = tmp_path / "any_start.py"
    script.write_text(ANY_START)
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        start_new_session=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    # Each batch came through a TERM, and the loader could still end its worker.
    each = [1, 1, 1, 1, 0]
    wanted = {"fork": each, "spawn": each, "forkserver": each, "terms": True}
    wanted |= {"other fork": 0, "other forkserver": 0}
    assert json.loads(done.stdout) == wanted


class Frozen:
    """Tells how many objects a collection in the process that reads it would leave untouched."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        return gc.get_freeze_count()


def test_a_worker_collects_no_garbage_in_what_it_shares_with_the_trainer():
    # A collection writes into each object that it looks at, and so would copy the whole heap.
    before = gc.get_freeze_count()
    with shielded_workers():
        loader = DataLoader(Frozen(), num_workers=1, multiprocessing_context="fork")
        shared = next(iter(loader)).item()
    assert shared > 0.9 * len(gc.get_objects())
    assert gc.get_freeze_count() == before


def test_the_way_to_start_processes_is_put_back():
    from multiprocessing.process import BaseProcess

    before = BaseProcess.start
    held = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with shielded_workers():
        assert BaseProcess.start is not before
    assert BaseProcess.start is before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == held


def gone(text: str) -> RuntimeError:
    """Make the error as torch raises it, wrapped or not."""
    error = RuntimeError(text)
    if "unexpectedly" in text:
        error.__cause__ = RuntimeError("inner")
    return error


@pytest.mark.parametrize(
    ("text", "asked", "state", "code"),
    [
        ("DataLoader worker (pid 77) is killed by signal: Terminated. ", "SIGTERM", "stopped", 0),
        ("DataLoader worker (pid 77) is killed by signal: Interrupt. ", "SIGINT", "stopped", 130),
        ("DataLoader worker (pid(s) 77, 78) exited unexpectedly", "timeout", "timeout", 3),
        ("DataLoader worker (pid 77) is killed by signal: Killed. ", "SIGTERM", "failed", 1),
        ("DataLoader worker (pid 77) is killed by signal: Terminated. ", "", "failed", 1),
        ("another thing", "SIGTERM", "failed", 1),
    ],
)
def test_a_worker_that_dies_of_the_stop_makes_no_failure_of_it(
    capsys, monkeypatch, text, asked, state, code
):
    monkeypatch.setattr("trainer.engine.workers._GROUP_PATIENCE", 0.05)
    requests = Requests()
    if asked:
        requests.stop("step", asked)
    end = end_of_error(gone(text), requests)
    assert (end.state, end.exit_code) == (state, code)
    assert end.reason
    assert (text in capsys.readouterr().err) == (state == "failed")


def test_a_stop_that_comes_just_after_its_worker_died_counts():
    import threading

    requests = Requests()
    threading.Timer(0.05, requests.stop, ("step", "SIGTERM")).start()
    error = gone("DataLoader worker (pid 77) is killed by signal: Terminated. ")
    end = end_of_error(error, requests)
    assert (end.state, end.exit_code) == ("stopped", 0)
    assert "SIGTERM" in end.reason


def test_a_stop_counts_whose_handler_the_news_of_the_worker_cut_off(monkeypatch):
    monkeypatch.setattr("trainer.engine.workers._GROUP_PATIENCE", 0.0)
    requests = Requests()

    def struck(number):
        raise gone("DataLoader worker (pid 77) is killed by signal: Terminated. ")

    # As torch's handler of SIGCHLD does, which may interrupt ours at any instruction.
    monkeypatch.setattr(requests, "insists", struck)
    with signals_ask(requests), pytest.raises(RuntimeError) as caught:
        os.kill(os.getpid(), signal.SIGTERM)
    assert requests.stop_asked is None
    end = end_of_error(caught.value, requests)
    assert (end.state, end.exit_code) == ("stopped", 0)
    assert end.reason.startswith("SIGTERM")
