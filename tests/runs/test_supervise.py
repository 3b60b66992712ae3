"""One run from start to end, with everything that may befall its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from trainer.errors import RunError
from trainer.runs import control, launch, manage, proc
from trainer.runs import supervisor as supervisor_module
from trainer.runs.ending import End
from trainer.runs.enforce import Enforcer
from trainer.runs.layout import RunFolder, read_json
from trainer.runs.limits import Limits
from trainer.runs.status import State, Status
from trainer.runs.supervisor import Supervisor

MakeRun = Callable[..., RunFolder]
Until = Callable[..., Status]


def _running(status: Status) -> bool:
    return status.state == State.RUNNING and bool(status.progress.step)


def test_a_run_completes_and_says_so(make_run: MakeRun) -> None:
    run = make_run(seconds=0.5)
    launch.start(run)
    status = manage.wait(run, timeout=20)
    assert (status.state, status.exit_code, status.reason) == ("completed", 0, "max_steps reached")
    assert status.progress.step
    assert status.progress.total_steps == 1000
    assert status.writer == "supervisor"
    assert status.started is not None
    assert status.ended is not None
    assert status.ended >= status.started
    assert "attempt 1" in run.output.read_text()
    assert read_json(run.status)["usage"]["max_rss_bytes"] > 1_000_000


def test_the_supervisor_belongs_to_nobody(make_run: MakeRun, until: Until) -> None:
    run = make_run()
    launch.start(run)
    status = until(run, _running)
    assert status.pid
    assert status.supervisor_pid
    # Sessions of their own: neither shares the terminal, nor the other's group.
    assert len({os.getsid(0), os.getsid(status.pid), os.getsid(status.supervisor_pid)}) == 3
    for pid in (status.pid, status.supervisor_pid):
        os.kill(pid, signal.SIGHUP)
    time.sleep(0.5)
    assert until(run, _running).alive
    manage.kill_now(run)


def test_failure_carries_the_last_line(make_run: MakeRun) -> None:
    run = make_run("fail", 0.1)
    launch.start(run)
    status = manage.wait(run, timeout=20)
    assert (status.state, status.exit_code) == ("failed", 1)
    assert status.reason == "RuntimeError: no such luck"


def test_a_python_memory_error_is_out_of_memory(make_run: MakeRun) -> None:
    run = make_run("memory", 0.1)
    launch.start(run)
    assert manage.wait(run, timeout=20).state == "out_of_memory"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["/nonexistent/python", "x"], "could not be started"),
        ([sys.executable, "-c", "import no_such_module"], "no_such_module"),
    ],
)
def test_what_cannot_start_fails_with_the_reason(
    make_run: MakeRun, argv: list[str], said: str
) -> None:
    run = make_run(argv=argv)
    launch.start(run)
    status = manage.wait(run, timeout=20)
    assert status.state == "failed"
    assert said in status.reason


def test_stop_on_request(make_run: MakeRun, until: Until) -> None:
    run = make_run()
    launch.start(run)
    until(run, _running)
    manage.request_stop(run, "step")
    status = manage.wait(run, timeout=20)
    assert (status.state, status.exit_code) == ("stopped", 0)
    assert not list(run.control.iterdir())
    with pytest.raises(RunError, match="not running"):
        manage.request_stop(run)


def test_term_to_the_supervisor_is_passed_on(make_run: MakeRun, until: Until) -> None:
    run = make_run()
    launch.start(run)
    status = until(run, _running)
    assert status.supervisor_pid
    os.kill(status.supervisor_pid, signal.SIGTERM)
    assert manage.wait(run, timeout=20).state == "stopped"
    assert (run.checkpoints / "last.txt").exists()


def test_a_foreign_program_is_stopped_by_signal(make_run: MakeRun, until: Until) -> None:
    run = make_run(argv=["/bin/sleep", "60"])
    launch.start(run)
    until(run, "running")
    manage.request_stop(run)
    assert manage.wait(run, timeout=20).state == "stopped"


def test_wall_clock_asks_for_a_checkpoint_first(make_run: MakeRun) -> None:
    run = make_run(wall_clock=3, grace=2)
    launch.start(run)
    status = manage.wait(run, timeout=20)
    assert (status.state, status.exit_code) == ("timeout", 3)
    assert (run.checkpoints / "last.txt").exists()


@pytest.mark.parametrize("how", ["hang", "deaf"])
def test_wall_clock_ends_a_step_that_hangs(make_run: MakeRun, how: str) -> None:
    run = make_run(how, wall_clock=1.5, grace=0.5, kill_s=0.5)
    launch.start(run)
    status = manage.wait(run, timeout=20)
    assert (status.state, status.signal) == ("timeout", signal.SIGKILL)
    assert "wall clock limit of 1.5 s" in status.reason
    assert not proc.is_alive(status.pid, status.pid_start)


def test_the_wall_clock_ends_every_way_to_hang(make_run: MakeRun) -> None:
    ways = ("loop", "native", "blocked", "worker")
    runs = {how: make_run(how, wall_clock=1.5, grace=0.5, kill_s=0.5) for how in ways}
    for run in runs.values():
        launch.start(run)
    for how, run in runs.items():
        status = manage.wait(run, timeout=60)
        assert (status.state, status.signal) == ("timeout", signal.SIGKILL), how
        assert "wall clock limit of 1.5 s" in status.reason
        assert status.ended is not None
        assert not proc.is_alive(status.pid, status.pid_start)
    worker = int((runs["worker"].path / "worker").read_text())
    assert proc.process_start_time(worker) is None, "nothing of the run stays behind"


def test_memory_limit_is_out_of_memory(make_run: MakeRun) -> None:
    run = make_run("big", memory_gb=0.1)
    launch.start(run)
    status = manage.wait(run, timeout=20)
    assert status.state == "out_of_memory"
    assert "more than 0.10 GiB" in status.reason


SHARES = """
import os, signal, sys
held = bytearray(100 << 20)
for _ in range(3):
    if os.fork() == 0:
        os.write(1, b"forked\\n")  # whole lines, however many write at once
        signal.pause()
os.write(1, b"forked\\n")
signal.pause()
"""


def test_pages_that_forked_workers_share_count_once() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SHARES], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(4)] == [b"forked\n"] * 4
        assert proc.memory_bytes(process.pid, above=1e12) > 350 << 20, "the plain sum"
        assert 100 << 20 < proc.memory_bytes(process.pid, above=200 << 20) < 180 << 20
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_what_cannot_be_looked_into_counts_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    # 7 is whole, 8 has just ended, 9 is somebody else's program.
    monkeypatch.setattr(proc, "tree", lambda _: [7, 8, 9])
    monkeypatch.setattr(proc, "_rss", {7: 600, 8: 0, 9: 300}.__getitem__)
    monkeypatch.setattr(proc, "_pss", {7: 400, 8: None, 9: None}.__getitem__)
    assert proc.memory_bytes(7) == 700


def test_kill_now_ends_even_the_deaf(make_run: MakeRun, until: Until) -> None:
    run = make_run("deaf")
    launch.start(run)
    until(run, _running)
    status = manage.kill_now(run)
    assert (status.state, status.signal) == ("killed", signal.SIGKILL)
    assert status.reason.startswith("killed on request")


def test_a_killed_trainer_is_killed_not_out_of_memory(make_run: MakeRun, until: Until) -> None:
    run = make_run()
    launch.start(run)
    status = until(run, _running)
    assert status.pid
    os.kill(status.pid, signal.SIGKILL)
    status = manage.wait(run, timeout=5)
    assert (status.state, status.signal) == ("killed", signal.SIGKILL)


def test_training_outlives_its_supervisor(make_run: MakeRun, until: Until) -> None:
    run = make_run(seconds=3)
    launch.start(run)
    status = until(run, _running)
    assert status.supervisor_pid
    os.kill(status.supervisor_pid, signal.SIGKILL)
    orphan = until(run, lambda s: s.writer == "trainer")
    assert orphan.state == "running"
    with pytest.raises(RunError, match=r"still runs|in use"):
        launch.start(run)
    assert until(run, lambda s: s.terminal).state == "completed"
    assert read_json(run.status)["writer"] == "trainer"


def test_an_orphan_minds_its_wall_clock(make_run: MakeRun, until: Until) -> None:
    run = make_run(wall_clock=4, grace=2)
    launch.start(run)
    status = until(run, _running)
    assert status.supervisor_pid
    os.kill(status.supervisor_pid, signal.SIGKILL)
    assert until(run, lambda s: s.terminal).state == "timeout"


def test_an_orphan_whose_step_hangs_is_ended_by_its_wall_clock(
    make_run: MakeRun, until: Until
) -> None:
    run = make_run("hang", wall_clock=4, grace=1, kill_s=0.5)
    launch.start(run)
    status = until(run, _running)
    assert status.supervisor_pid
    os.kill(status.supervisor_pid, signal.SIGKILL)
    ended = until(run, lambda s: s.terminal)
    assert (ended.state, ended.signal) == ("timeout", signal.SIGKILL)
    assert "wall clock limit of 4 s" in ended.reason
    deadline = time.monotonic() + 10
    while proc.is_alive(status.pid, status.pid_start) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not proc.is_alive(status.pid, status.pid_start)


def test_both_killed_is_lost(make_run: MakeRun, until: Until) -> None:
    run = make_run()
    launch.start(run)
    status = until(run, _running)
    assert status.supervisor_pid
    assert status.pid
    os.kill(status.supervisor_pid, signal.SIGKILL)
    os.kill(status.pid, signal.SIGKILL)
    assert until(run, lambda s: s.terminal, timeout=5).state == "lost"


def test_kill_now_without_a_supervisor(make_run: MakeRun, until: Until) -> None:
    run = make_run("deaf")
    launch.start(run)
    status = until(run, _running)
    assert status.supervisor_pid
    os.kill(status.supervisor_pid, signal.SIGKILL)
    until(run, lambda s: s.writer == "trainer")
    assert manage.kill_now(run, patience=0.3).state == "killed"


def test_two_launches_into_one_folder(make_run: MakeRun, until: Until) -> None:
    run = make_run()
    launch.start(run)
    with pytest.raises(RunError, match="in use"):
        launch.start(run)
    assert until(run, _running).alive
    manage.kill_now(run)


def test_many_launches_into_one_folder_at_once(make_run: MakeRun, until: Until) -> None:
    run = make_run()

    def launched(_: int) -> bool:
        try:
            launch.start(run)
        except RunError:
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(launched, range(5))) == [False] * 4 + [True]
    status = until(run, _running)
    assert run.output.read_text().count("attempt 1") == 1
    assert status.alive
    manage.kill_now(run)


def test_the_launcher_may_be_killed(make_run: MakeRun, until: Until) -> None:
    run = make_run(seconds=2)
    code = (
        "import os, signal, sys; from trainer.runs import launch, layout;"
        "launch.start(layout.RunFolder(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    launcher = subprocess.run([sys.executable, "-c", code, str(run.path)], check=False)
    assert launcher.returncode == -signal.SIGKILL
    assert until(run, lambda s: s.terminal).state == "completed"


@pytest.mark.parametrize("victim", ["trainer", "supervisor", "both"])
@pytest.mark.parametrize("after", [0.0, 0.13, 0.31])
def test_kill_at_any_moment(make_run: MakeRun, until: Until, victim: str, after: float) -> None:
    run = make_run(seconds=1.5)
    launch.start(run)
    time.sleep(after)
    status = until(run, lambda s: s.writer != "launcher")
    victims = {
        "trainer": [(status.pid, status.pid_start)],
        "supervisor": [(status.supervisor_pid, status.supervisor_start)],
        "both": [
            (status.pid, status.pid_start),
            (status.supervisor_pid, status.supervisor_start),
        ],
    }[victim]
    for pid, start in victims:
        if pid is not None and proc.is_alive(pid, start):
            os.kill(pid, signal.SIGKILL)
    ended = until(run, lambda s: s.terminal, timeout=10)
    wanted = {
        "trainer": {"killed", "completed"},
        "supervisor": {"completed", "lost"},
        "both": {"lost", "killed", "completed"},
    }[victim]
    assert ended.state in wanted
    assert not proc.is_alive(ended.pid, ended.pid_start) or ended.state == "completed"


def test_control_files_of_an_older_run_are_gone(make_run: MakeRun, until: Until) -> None:
    run = make_run(seconds=1)
    control.request(run, "stop")
    launch.start(run)
    assert until(run, lambda s: s.terminal).state == "completed"


def test_the_supervisor_stays_light(make_run: MakeRun, until: Until) -> None:
    run = make_run()
    launch.start(run)
    status = until(run, _running)
    text = Path(f"/proc/{status.supervisor_pid}/status").read_text()
    rss = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS"))
    assert rss < 30_000, "kB"
    manage.kill_now(run)


def test_the_wall_clock_does_not_follow_the_clock_on_the_wall(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    monotonic, wall = time.monotonic(), time.time()
    force = Enforcer(run, Limits(wall_clock_s=100, grace_s=10), 2**22)
    for jump in (-86_400, 86_400):
        monkeypatch.setattr(time, "time", lambda jump=jump: wall + jump)
        force.tick(listens=True)
        assert not control.pending(run)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic + 91)
    force.tick(listens=True)
    force.tick(listens=True)
    assert [each.reason for each in control.pending(run)] == ["timeout"]
    assert force.due > monotonic + 99


@pytest.mark.parametrize(
    ("over", "told"),
    [
        (2**29, "used 0.70 GiB, more than 0.20 GiB"),
        (2**20, "used 0.201 GiB, more than 0.200 GiB"),
        (4096, "used 0.200004 GiB, more than 0.200000 GiB"),
        (1, "used 0.200000000 GiB, more than 0.199999999 GiB"),
    ],
)
def test_memory_used_is_told_from_its_limit(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, over: int, told: str
) -> None:
    limit = int(0.2 * 2**30)
    force = Enforcer(make_run(), Limits(memory_gb=limit / 2**30), 2**22)
    monkeypatch.setattr(proc, "memory_bytes", lambda pid, above: limit + over)
    force.tick(listens=True)
    assert force.why == told


def test_a_hole_in_the_disk_is_waited_out(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    before = {each: signal.getsignal(each) for each in (1, 2, 15, 17)}
    wakeup = signal.set_wakeup_fd(-1)
    supervisor = Supervisor(run)
    real, refused = supervisor_module.write_json_atomic, []

    def full_at_first(path: Path, record: object, *, sync: bool) -> None:
        if len(refused) < 3:
            refused.append(path)
            raise OSError(28, "No space left on device")
        real(path, record, sync=sync)

    try:
        monkeypatch.setattr(supervisor_module, "write_json_atomic", full_at_first)
        monkeypatch.setattr(time, "sleep", lambda _: None)
        supervisor._finish(End(State.COMPLETED, 0, None, "done"))
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
    assert len(refused) == 3
    assert read_json(run.status)["state"] == "completed"
