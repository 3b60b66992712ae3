"""Runs started warm: forked from a process that has torch loaded (`trainer.engine.warm`).

The launcher's side, for who starts many runs one after another. Where a run cannot be started warm,
or the server is gone, it is started in a fresh process, as any other run is.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from trainer.config.targets_allowed import TARGET
from trainer.runs import launch
from trainer.runs.ending import last_lines
from trainer.runs.layout import RunFolder
from trainer.runs.orders import TRAINING_ENV
from trainer.runs.program import ENGINE, python

SERVER = "trainer.engine.warm"
SET_HERE = {"PYTHONUNBUFFERED": "1", **TRAINING_ENV}
"""Variables that a training process has from its beginning, where nobody has set them."""
# A slow disk may need long for what torch loads; an order is answered in milliseconds.
_UP_WITHIN, _ANSWER_WITHIN = 180.0, 30.0
_MOST = 1 << 16
_READ_ONCE = re.compile(
    r"(?:PYTHON|LD_|OMP_|GOMP_|KMP_|MKL_|DNNL_|ONEDNN_|OPENBLAS_|ATEN_|TORCH|PYTORCH_|CUDA_|CUBLAS_"
    r"|CUDNN_|NVIDIA_|NCCL_|XDG_CONFIG_HOME\Z)"
)


class WarmPool:
    """Starts runs from a warm server, which begins to load when it is first asked for.

    Use as a context manager, or call `close`. When it is closed or its process dies, the server
    ends; runs that it has started go on.

    Args:
        cwd: Where the runs will run; others are started fresh.
        log: What the server prints while it loads; nowhere if None.
        said: Told in a line why runs are started fresh from now on.

    Attributes:
        warm: How many runs it has started warm.
        pid: The server's pid; None while there is none.
    """

    def __init__(
        self,
        cwd: Path | None = None,
        *,
        log: Path | None = None,
        said: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.warm = 0
        self._cwd = Path(cwd or Path.cwd()).absolute()
        self._log = log
        self._said = said
        self._log_from = 0
        self._server: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._up = False
        self._deadline = 0.0
        self._lives: list[int] = []
        self._environment: dict[str, str] = {}
        self._begun = False

    @property
    def pid(self) -> int | None:
        """The server's pid."""
        return self._server.pid if self._server is not None else None

    def __enter__(self) -> WarmPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the server end. Runs go on."""
        self._end_server()
        for life in self._lives:
            os.close(life)
        self._lives = []

    def ready(self) -> bool:
        """Tell whether a run would be started at once; False while the server loads."""
        if not self._begun:
            self._begun = True
            if sys.platform == "linux":
                self._load()
            else:
                # A process that has loaded frameworks of macOS must not fork.
                self._said("trials start in fresh processes: warm workers need Linux")
        if self._channel is None or self._up:
            return True
        if not select.select([self._channel], [], [], 0)[0]:
            if time.monotonic() > self._deadline:
                self._give_up("it did not come up in time")
            return self._channel is None
        self._up = self._receive().get("up") is True
        if not self._up:
            self._give_up("it could not load")
        return True

    def wait(self, seconds: float) -> None:
        """Wait until a run that was started warm has ended, or the server is ready; or so long."""
        news: list[Any] = list(self._lives)
        if self._channel is not None:
            news.append(self._channel)
        for each in select.select(news, [], [], seconds)[0]:
            if each in self._lives:
                # Nobody writes into it: its other end is closed.
                self._lives.remove(each)
                os.close(each)
            elif self._up:
                self._give_up("it has ended")
            else:
                self.ready()

    def __call__(self, run: RunFolder) -> None:
        """Start a run whose folder is ready.

        Raises:
            RunError: As `trainer.runs.launch.start`.
        """
        while not self.ready():
            self.wait(1.0)
        if self._channel is None or not self._takes(run):
            launch.start(run)
            return
        config = _config_of(run)
        if config is None or needs_fresh(config):
            launch.start(run)
            return
        targets = sorted(set(_targets(config)))
        with contextlib.suppress(_GoneError):
            launch.start(run, by=lambda *words: self._order(targets, *words))
            self.warm += 1
            return
        launch.start(run)

    def _takes(self, run: RunFolder) -> bool:
        """Tell whether it is our engine's, with nothing that a process has from its beginning."""
        identity = run.identity()
        words = [*python(self._cwd), "-m", ENGINE, str(run.path)]
        same = identity.get("argv") == words and not identity.get("env")
        same = same and _read_once(self._environment) == _read_once(os.environ)
        one = len(identity.get("devices") or ()) < 2
        return same and one and identity.get("cwd") == str(self._cwd)

    def _order(
        self, targets: Sequence[str], words: list[str], output: int, ready: int
    ) -> Callable[[bool], None]:
        """Order a supervisor: a `trainer.runs.launch.StartSupervisor`.

        Raises:
            _GoneError: The server forks none.
        """
        channel = self._channel
        assert channel is not None
        life, held = os.pipe()
        try:
            order = {
                "argv": launch.supervisor_line(words),
                "targets": list(targets),
                "env": dict(os.environ),
            }
            socket.send_fds(channel, [json.dumps(order).encode()], [ready, output, held])
            answer = self._receive(_ANSWER_WITHIN)
        except OSError as error:
            # It is gone, or the environment is larger than a message may be.
            answer = {"error": f"no order reaches it ({error.strerror or error})"}
        finally:
            os.close(held)
        pid = answer.get("pid")
        if not isinstance(pid, int):
            os.close(life)
            if answer.get("stale"):
                # What it has loaded is no longer what lies there: a new one loads meanwhile.
                self._end_server()
                self._load()
            else:
                self._give_up(str(answer.get("error") or "it does not answer"))
            raise _GoneError
        self._lives.append(life)

        def settle(answered: bool) -> None:
            # One that is gone has been cleared away, and its pid may be somebody else's.
            if not answered and not select.select([life], [], [], 0)[0]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

        return settle

    def _receive(self, timeout: float = 0.0) -> dict[str, Any]:
        """Take what the server says; nothing if it is gone or silent."""
        assert self._channel is not None
        try:
            if not select.select([self._channel], [], [], timeout)[0]:
                return {}
            told = json.loads(self._channel.recv(_MOST) or b"{}")
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def _load(self) -> None:
        """Start a server."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._environment = dict(os.environ)
            environment = {**SET_HERE, **self._environment}
            try:
                with (self._log or Path(os.devnull)).open("ab") as log:
                    self._log_from = log.tell()
                    self._server = subprocess.Popen(
                        [*python(self._cwd), "-m", SERVER, str(theirs.fileno())],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        cwd=self._cwd,
                        env=environment,
                        # A Ctrl-C is for the driver.
                        start_new_session=True,
                        pass_fds=(theirs.fileno(),),
                    )
            except OSError as error:
                ours.close()
                self._said(f"trials start in fresh processes: no warm server ({error})")
                return
        self._channel, self._up = ours, False
        self._deadline = time.monotonic() + _UP_WITHIN

    def _end_server(self) -> None:
        channel, server = self._channel, self._server
        self._channel = self._server = None
        if channel is not None:
            channel.close()
        if server is not None:
            # It may be loading still, and its runs are none of its children's children.
            server.kill()
            server.wait()

    def _give_up(self, why: str) -> None:
        self._end_server()
        lines = last_lines(self._log, since=self._log_from) if self._log is not None else []
        last = f" ({lines[-1]})" if lines else ""
        self._said(f"trials start in fresh processes from here on; the warm server: {why}{last}")


class _GoneError(Exception):
    """The server starts nothing any more, or not this run."""


def needs_fresh(config: Mapping[str, Any]) -> str:
    """Tell why a run of this config must not be forked; empty if it may.

    Several processes on one machine are started by Lightning from the command line and before
    torch is loaded; a compiler starts processes and threads of its own, and takes longer than what
    a fork saves.

    Args:
        config: The resolved config.
    """
    section = config.get("trainer")
    trainer = section if isinstance(section, Mapping) else {}
    strategy = trainer.get("strategy")
    if strategy not in (None, "auto", "single_device"):
        return "trainer.strategy"
    devices = trainer.get("devices")
    one = devices in (None, "auto", 1, "1") or (
        isinstance(devices, list | tuple) and len(devices) == 1
    )
    if not one:
        return "trainer.devices"
    if trainer.get("num_nodes") not in (None, 1):
        return "trainer.num_nodes"
    if trainer.get("compile"):
        return "trainer.compile"
    return ""


def _read_once(variables: Mapping[str, str]) -> dict[str, str]:
    """Pick the variables that Python or a library reads when it is loaded, and never again."""
    return {name: value for name, value in variables.items() if _READ_ONCE.match(name)}


def _config_of(run: RunFolder) -> Mapping[str, Any] | None:
    import yaml

    # The one in C takes a tenth of the time.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        config = yaml.load(run.config.read_bytes(), Loader=loader)
    except (OSError, yaml.YAMLError):
        return None
    return config if isinstance(config, Mapping) else None


def _targets(node: Any) -> Iterator[str]:
    """Give the classes that a config names."""
    if isinstance(node, Mapping):
        if isinstance(target := node.get(TARGET), str):
            yield target
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)
