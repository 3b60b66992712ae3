"""`python -m trainer.engine.warm FD`: load everything, then fork a supervisor for each order.

An order is one message: JSON `{"argv", "targets", "env"}` with three descriptors, on which the supervisor
answers its launcher, prints, and which it holds open for as long as it lives. The answer is
`{"pid"}`, `{"stale": file}` or `{"error": text}`.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import signal
import socket
import sys
import sysconfig
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from trainer.config.targets_allowed import problem_with_target
from trainer.engine.waiting import spin_briefly
from trainer.engine.warm import forked
from trainer.engine.warm.title import set_command_line
from trainer.errors import ConfigError
from trainer.runs import proc, supervisor
from trainer.runs.warm import SET_HERE

# Beside what `trainer.engine.fit` imports at once: what nearly every training comes to need.
_LATER = (
    *("trainer.engine.early", "trainer.engine.output", "trainer.config.validate"),
    *("numpy.random", "omegaconf", "torch.utils.serialization.config"),
)
_MOST = 1 << 20

Stamps = dict[str, tuple[int, int]]


def load(names: Iterable[str], and_then: Callable[[], None] = lambda: None) -> None:
    """Import modules, and see to it that a fork may follow.

    Args:
        names: The modules.
        and_then: Called when they are imported.

    Raises:
        RuntimeError: Threads run in this process, or CUDA was initialised.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            # The trial that asks for it tells the person, in its own words.
            print(f"{name}: {error}", file=sys.stderr)
    and_then()
    # OpenBLAS starts its threads on import and ends them for a fork, to start them anew only when
    # there is something to compute.
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    # A fork that ends must not take apart what is loaded here, nor folders that others still use.
    for each in list(weakref.finalize._registry):  # type: ignore[attr-defined]  # the only list
        each.atexit = False
    gc.collect()
    # The collector of a child must not write to what is shared.
    gc.freeze()
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    if threads != 1:
        raise RuntimeError(f"{threads - 1} threads were started by what was imported")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        raise RuntimeError("CUDA was initialised by what was imported")


def loadable(targets: Iterable[str]) -> list[str]:
    """Give the modules of classes that may be loaded here: installed ones, and our own.

    What lies in a project is left to each trial, which so has it as it is at that moment.

    Args:
        targets: Dotted paths of classes.
    """
    found = []
    for target in targets:
        module = target.rpartition(".")[0]
        top = module.partition(".")[0]
        if not module or module in sys.modules or problem_with_target(target) is not None:
            continue
        try:
            spec = (
                sys.modules[top].__spec__ if top in sys.modules else importlib.util.find_spec(top)
            )
        except (ImportError, ValueError, AttributeError):
            continue
        origin = getattr(spec, "origin", None)
        if top == "trainer" or (origin and _is_installed(origin)):
            found.append(module)
    return found


def stamps(known: Stamps) -> Stamps:
    """Give time and size of each loaded file that somebody may be working on.

    Args:
        known: What was found before; files in it are not looked at again.
    """
    found = dict(known)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file not in found and not _is_installed(file):
            found[file] = _stamp(file)
    return found


def changed(known: Stamps) -> str:
    """Name a loaded file that is another one by now; empty if there is none.

    One that was written while this process loaded counts as well: which of both was read, nobody
    knows.
    """
    # A clock of a file system that runs ahead proves nothing.
    now = time.time_ns()
    return next(
        (file for file, at in known.items() if _stamp(file) != at or _BEGUN < at[0] < now), ""
    )


def serve(channel: socket.socket) -> int:
    """Fork a supervisor for each order, until the other end is closed."""
    # Nobody waits for a supervisor; the kernel clears it away.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    known = stamps({})
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, _MOST, 3)
        if not data:
            return 0
        order = json.loads(data)
        answer: dict[str, Any]
        try:
            if file := changed(known):
                answer = {"stale": file}
            else:
                if modules := loadable(order["targets"]):
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    load(modules)
                    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
                    known = stamps(known)
                answer = {"pid": _fork(order, descriptors)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(json.dumps(answer).encode())


def _fork(order: Mapping[str, Any], descriptors: Sequence[int]) -> int:
    pid = os.fork()
    if pid == 0:
        _supervise(order, *descriptors)
    return pid


def _supervise(order: Mapping[str, Any], ready: int, output: int, life: int) -> NoReturn:
    """Be a supervisor, as `python -m trainer.runs.supervisor` is."""
    argv: list[str] = order["argv"]

    def work() -> int:
        os.setsid()
        _inherit(order["env"])
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        forked.take_output(output, {ready, life})
        set_command_line(argv)
        words = argv[argv.index(supervisor.__name__) + 1 :]
        return supervisor.main([*words, "--ready-fd", str(ready)], start=forked.start)

    forked.leave_by(work)


def _inherit(variables: Mapping[str, str]) -> None:
    """Take over what has changed in the launcher's environment since this server was started."""
    for name in _ENVIRONMENT.keys() - variables.keys() - SET_HERE.keys():
        os.environ.pop(name, None)
    os.environ.update(
        {name: value for name, value in variables.items() if _ENVIRONMENT.get(name) != value}
    )


def _remember() -> None:
    """Fill caches that each training would fill: patterns, the reader of configs, versions."""
    from lightning_utilities.core.imports import RequirementCache

    from trainer.config.schema import load_resolved
    from trainer.engine.build import quiet

    quiet()
    with contextlib.suppress(ConfigError):
        load_resolved(Path(os.devnull))
    for name, module in list(sys.modules.items()):
        if name.startswith(("pytorch_lightning", "lightning_fabric", "torchmetrics")):
            for value in list(vars(module).values()):
                # One that also names a module may import it.
                if isinstance(value, RequirementCache) and value.module is None:
                    bool(value)


def _is_installed(file: str) -> bool:
    return file.startswith(_INSTALLED)


def _stamp(file: str) -> tuple[int, int]:
    try:
        info = os.stat(file)  # noqa: PTH116 - hot
    except OSError:
        return (0, 0)
    return (info.st_mtime_ns, info.st_size)


_BEGUN = time.time_ns() - int(proc.own_age() * 1e9)
_ENVIRONMENT = dict(os.environ)
_INSTALLED = tuple(
    f"{Path(sysconfig.get_path(name))}{os.sep}"
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def main(argv: Sequence[str]) -> int:
    """Load and serve."""
    channel = socket.socket(fileno=int(argv[0]))
    channel.set_inheritable(False)
    spin_briefly()
    load(("trainer.engine.fit", *_LATER), and_then=_remember)
    try:
        channel.send(b'{"up": true}')
        return serve(channel)
    except ConnectionError:
        return 0  # its driver is gone


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
