"""Run folders: whole, unique, safely named; and resuming in them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import RunError
from trainer.runs import control, devices, folders, launch, manage, settled
from trainer.runs.folders import make_folder, shown_name, slug
from trainer.runs.layout import RunFolder, read_json, write_json_atomic
from trainer.runs.status import Status, read_status

MakeRun = Callable[..., RunFolder]
Until = Callable[..., Status]


def test_a_folder_holds_everything(tmp_path: Path, composed: Callable[..., Any]) -> None:
    run = launch.create(
        composed(
            run={"name": "mine", "tags": ["a"], "hash_file": "run_hash_summary_v50.json"},
            limits={"wall_clock": 32400.0, "grace": 120, "memory_gb": 16},
        ),
        runs_dir=tmp_path / "runs",
        tags=["b", "a"],
        command=["traindeck", "train", "quickstart", "x=$(rm -rf /)", "a\nb"],
        parent={"sweep": "s1"},
        env={"CUBLAS_WORKSPACE_CONFIG": ":4096:8"},
        cwd=tmp_path,
    )
    assert re.fullmatch(r"\d\d-\d\d-\d\d-mine-\w{7}", run.path.name)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", run.path.parent.name)
    identity = run.identity()
    assert identity["v"] == 1
    assert identity["name"] == "mine"
    assert identity["tags"] == ["a", "b"]
    assert identity["limits"] == {"wall_clock_s": 32400.0, "grace_s": 120, "memory_gb": 16}
    assert identity["parent"] == {"sweep": "s1"}
    assert identity["preset"] == "quickstart"
    assert identity["argv"] == [sys.executable, "-m", "trainer.engine", str(run.path)]
    assert identity["cwd"] == str(tmp_path)
    assert run.path.name.endswith(identity["id"])
    assert run.id == identity["id"]
    assert RunFolder(tmp_path).id == tmp_path.name
    assert run.hash_summary.name == "run_hash_summary_v50.json"
    summary = read_json(run.hash_summary)
    assert summary["config"]["hash"] == identity["config_hash"]
    assert summary["hash"] == identity["hash"]
    assert read_json(run.provenance)["seed"]["origin"] == "train.yaml:3"
    config = json.loads(run.config.read_text())
    assert config["run"].get("num_threads", 1) >= 1
    assert run.overrides.read_text() == "- trainer.max_epochs=1\n"
    assert "quickstart" in run.debug_log.read_text()
    assert read_status(run).state == "starting"
    assert all(path.is_dir() for path in (run.control, run.checkpoints, run.outputs, run.logs))
    # The person's words sit in a comment of one line; nothing of them is executed.
    script = run.command.read_text()
    assert os.access(run.command, os.X_OK)
    assert next(line for line in script.splitlines() if "rm -rf" in line).startswith("# ")
    subprocess.run(["sh", "-n", str(run.command)], check=True)


def test_threads_are_settled_before_launch(tmp_path: Path, composed: Callable[..., Any]) -> None:
    run = launch.create(composed(), runs_dir=tmp_path)
    assert json.loads(run.config.read_text())["run"]["num_threads"] == settled.usable_cores()
    run = launch.create(composed(run={"num_threads": 7}), runs_dir=tmp_path)
    assert json.loads(run.config.read_text())["run"]["num_threads"] == 7


def test_a_run_without_a_seed_is_given_one_that_is_written_down(
    tmp_path: Path, composed: Callable[..., Any]
) -> None:
    def seed_of(run: RunFolder) -> Any:
        return json.loads(run.config.read_text())["seed"]

    runs = [launch.create(composed(seed=None), runs_dir=tmp_path) for _ in range(2)]
    first, second = map(seed_of, runs)
    assert isinstance(first, int)
    assert first != second
    assert "drawn" in read_json(runs[0].provenance)["seed"]["origin"]
    assert f"the seed {first} was drawn" in runs[0].debug_log.read_text()
    assert seed_of(launch.create(composed(seed=0), runs_dir=tmp_path)) == 0


def test_the_environment_is_locked_without_torch(
    tmp_path: Path, composed: Callable[..., Any]
) -> None:
    run = launch.create(composed(), runs_dir=tmp_path, env={"OMP_NUM_THREADS": "3"})
    found = read_json(run.environment)
    assert found["hash"] == read_json(run.hash_summary)["environment"]["hash"]
    assert found["variables"]["OMP_NUM_THREADS"] == "3"
    assert found["variables"]["PYTHONHASHSEED"] == os.environ.get("PYTHONHASHSEED", "0")
    assert len(found["packages"]["msgspec"]["record"]) == 64
    assert f"msgspec=={found['packages']['msgspec']['version']}\n" in run.requirements.read_text()


@pytest.mark.parametrize("name", ["environment.json", "requirements.lock", "code.patch"])
def test_the_hash_file_takes_no_name_that_is_taken(
    tmp_path: Path, composed: Callable[..., Any], name: str
) -> None:
    with pytest.raises(RunError, match="cannot be the name"):
        launch.create(composed(run={"hash_file": name}), runs_dir=tmp_path)


def test_fifty_in_the_same_second(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from trainer.runs.folders import make_folder\n"
        "for _ in range(10): print(make_folder(Path(sys.argv[1]), 'same', now=1.7e9).path)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    with ThreadPoolExecutor(10) as pool:
        own = list(pool.map(lambda _: make_folder(tmp_path, "same", now=1.7e9).path, range(30)))
    others = [Path(line) for each in processes for line in each.communicate()[0].splitlines()]
    made = set(own) | set(others)
    assert len(made) == 50
    assert all((path / "status.json").exists() for path in made)
    assert len({path.parent for path in made}) == 1


def test_a_taken_name_is_never_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["aaa", "aaa", "bbb"])
    monkeypatch.setattr(folders, "new_id", lambda: next(ids))
    first = make_folder(tmp_path, "x", now=1.7e9)
    (first.path / "mark").touch()
    second = make_folder(tmp_path, "x", now=1.7e9)
    assert (first.path.name[-3:], second.path.name[-3:]) == ("aaa", "bbb")
    assert (first.path / "mark").exists()
    assert not list(tmp_path.glob("*/.making*"))


HOSTILE = [
    "../../etc/passwd",
    "..",
    ".",
    "",
    "/abs/olute",
    "a\0b",
    "\x1b]0;title\x07\x1b[2J",
    "x" * 10_240,
    "../" * 3_400,
    "naïve übung",
    "日本語",
    "-rf",
    "--help",
    "a b\tc\nd",
    "\ud800",
    "con:aux|<>*?",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(tmp_path: Path, name: str) -> None:
    runs = tmp_path / "runs"
    run = make_folder(runs, name)
    assert run.path.parent.parent == runs
    assert re.fullmatch(r"[a-z0-9._-]{1,80}", run.path.name)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,46}[a-z0-9])?", slug(name))
    shown = run.identity()["name"]
    assert shown == shown_name(name)
    assert shown.isprintable()
    assert 0 < len(shown) <= 200
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_names_that_would_leave_the_folder_are_refused(
    tmp_path: Path, composed: Callable[..., Any]
) -> None:
    for name in ("../x", "run.json", "", "a/b", ".hidden"):
        with pytest.raises(RunError, match="cannot be the name"):
            launch.create(composed(run={"hash_file": name}), runs_dir=tmp_path)


def test_secrets_are_not_written_down(tmp_path: Path, composed: Callable[..., Any]) -> None:
    with pytest.raises(RunError, match="WANDB_API_KEY looks like a secret"):
        launch.create(composed(), runs_dir=tmp_path, env={"WANDB_API_KEY": "x"})
    with pytest.raises(RunError, match="PROXY looks like a secret"):
        launch.create(composed(), runs_dir=tmp_path, env={"PROXY": "http://me:hunter2@host"})
    command = ["traindeck", "train", "data.password=hunter2", "--api-key", "hunter2"]
    run = launch.create(
        composed(), runs_dir=tmp_path, command=command, env={"TOKENIZERS_PARALLELISM": "true"}
    )
    assert run.identity()["command"][2:] == ["data.password=***", "--api-key", "***"]
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert not [path.name for path in files if b"hunter2" in path.read_bytes()]


def test_a_folder_that_cannot_be_made(tmp_path: Path, composed: Callable[..., Any]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="could not be made"):
        launch.create(composed(), runs_dir=tmp_path / "file")


def test_nothing_is_left_when_filling_fails(tmp_path: Path) -> None:
    def files(run: RunFolder, run_id: str) -> dict[str, str]:
        return {"config.yaml": "x", "no/such/folder": "y"}

    with pytest.raises(FileNotFoundError):
        make_folder(tmp_path, "x", files=files)
    assert not list(tmp_path.glob("*/*"))


def test_a_package_of_the_same_name_is_not_taken_for_ours(
    tmp_path: Path, composed: Callable[..., Any]
) -> None:
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "__init__.py").write_text("raise SystemExit('not ours')")
    run = launch.create(composed(), runs_dir=tmp_path / "runs", cwd=tmp_path)
    assert run.identity()["argv"][:3] == [sys.executable, "-P", "-m"]


def test_a_run_that_nobody_started_is_lost(tmp_path: Path) -> None:
    run = make_folder(tmp_path, "x")
    assert read_status(run).alive
    record = read_json(run.status)
    write_json_atomic(run.status, {**record, "supervisor_start": "1"})
    status = read_status(run)
    assert (status.state, status.reason) == ("lost", "it was never started")


def test_a_supervisor_that_does_not_come_up(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho cannot run >&2\nexit 1\n")
    broken.chmod(0o755)
    run = make_run()
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(RunError, match="did not come up: cannot run"):
        launch.start(run)
    assert read_status(run).state == "failed"
    run = make_run()
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    with pytest.raises(RunError, match="could not be started"):
        launch.start(run)
    assert read_status(run).state == "failed"


class TestResume:
    @staticmethod
    def _checkpoint(path: Path) -> Path:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.pkl", b"x" * 1000)
        return path

    def _ended(self, make_run: MakeRun) -> RunFolder:
        run = make_run(seconds=0.1)
        launch.start(run)
        assert manage.wait(run, timeout=20).state == "completed"
        return run

    def test_goes_on_in_the_same_folder(self, make_run: MakeRun) -> None:
        run = self._ended(make_run)
        self._checkpoint(run.checkpoints / "last-epoch00001.ckpt")
        (run.checkpoints / "last.ckpt").symlink_to("last-epoch00001.ckpt")
        stale = control.request(run, "stop")
        manage.prepare_resume(run, argv=run.identity()["argv"])
        assert not stale.exists()
        with pytest.raises(RunError, match="is running"):
            manage.prepare_resume(run)
        launch.start(run)
        status = manage.wait(run, timeout=20)
        assert (status.state, status.attempt, status.resume) == (
            "completed",
            2,
            "checkpoints/last.ckpt",
        )
        assert f"attempt 2 resume {run.checkpoints}/last.ckpt" in run.output.read_text()
        previous = read_json(run.status)["previous"]
        assert [(each["attempt"], each["state"]) for each in previous] == [(1, "completed")]

    def test_takes_the_newest_that_is_whole(self, tmp_path: Path) -> None:
        run = make_folder(tmp_path, "x")
        old = self._checkpoint(run.checkpoints / "last-epoch00001.ckpt")
        torn = self._checkpoint(run.checkpoints / "last-epoch00002.ckpt")
        torn.write_bytes(torn.read_bytes()[:-30])
        os.utime(old, (1000, 1000))
        (run.checkpoints / "last.ckpt").symlink_to(torn.name)
        (run.checkpoints / "gone.ckpt").symlink_to("nowhere")
        assert manage.find_checkpoint(run) == old
        old.unlink()
        assert manage.find_checkpoint(run) is None

    def test_without_a_checkpoint_is_refused(self, make_run: MakeRun) -> None:
        run = self._ended(make_run)
        with pytest.raises(RunError, match="no whole checkpoint"):
            manage.prepare_resume(run)
        assert read_status(run).attempt == 1

    def test_a_live_run_is_refused(self, make_run: MakeRun, until: Until) -> None:
        run = make_run()
        launch.start(run)
        until(run, "running")
        for act in (manage.prepare_resume, manage.remove):
            with pytest.raises(RunError, match="is running"):
                act(run)
        manage.kill_now(run)
        manage.remove(run)
        assert not run.path.exists()
        assert not list(run.path.parent.iterdir())

    def test_checkpoints_may_lie_elsewhere(
        self, tmp_path: Path, composed: Callable[..., Any]
    ) -> None:
        run = launch.create(
            composed(trainer={"ckpt_dir": "ckpts"}), runs_dir=tmp_path / "runs", cwd=tmp_path
        )
        # A folder of its own: the next run with the same setting takes nothing away.
        place = tmp_path / "ckpts" / run.path.name
        assert run.identity()["checkpoint_dir"] == str(place)
        place.mkdir(parents=True)
        path = self._checkpoint(place / "last.ckpt")
        assert manage.find_checkpoint(run) == path


@pytest.mark.parametrize(
    ("trainer", "hardware", "visible", "named"),
    [
        ({"accelerator": "cpu", "devices": 4}, {}, "0,1", ("cpu",)),
        ({"accelerator": "auto"}, {"device": "cpu"}, "0", ("cpu",)),
        ({"accelerator": "auto"}, {"device": "mps"}, "", ("mps",)),
        ({"accelerator": "auto"}, {"device": "cuda"}, "2,3", ("cuda:2", "cuda:3")),
        ({"accelerator": "gpu", "devices": 1}, {}, "2,3", ("cuda:2",)),
        ({"accelerator": "cuda", "devices": [1]}, {}, "2,3", ("cuda:3",)),
        ({"accelerator": "cuda", "devices": "0,1"}, {}, "0,1,2", ("cuda:0", "cuda:1")),
        ({"accelerator": "cuda", "devices": -1}, {}, "0,1", ("cuda:0", "cuda:1")),
        ({"accelerator": "cuda", "devices": "auto"}, {}, "GPU-ab12", ("cuda:GPU-ab12",)),
        ({}, {}, "", ("cpu",)),
        ({}, {}, "-1", ("cpu",)),
    ],
)
def test_devices(
    trainer: dict[str, Any],
    hardware: dict[str, Any],
    visible: str,
    named: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.of({"trainer": trainer, "hardware": hardware}) == named
    assert all(devices.is_name(name) for name in named)


class TestQueue:
    def test_runs_take_turns_in_order(self, make_run: MakeRun, until: Until) -> None:
        runs = [make_run(seconds=0.4) for _ in range(3)]
        for run in runs:
            launch.start(run, queue="cpu")
        assert read_status(runs[2]).state == "queued"
        ended = [manage.wait(run, timeout=30) for run in runs]
        assert [status.state for status in ended] == ["completed"] * 3
        for before, after in pairwise(ended):
            assert before.ended is not None
            assert after.started is not None
            assert before.ended <= after.started

    def test_a_killed_one_blocks_nobody_and_a_cancelled_one_is_stopped(
        self, make_run: MakeRun, until: Until
    ) -> None:
        first, killed, cancelled, last = (make_run() for _ in range(4))
        launch.start(first)
        until(first, "running")
        for run in (killed, cancelled, last):
            launch.start(run, queue="auto")
        waits = until(last, lambda s: "3 before it" in s.reason)
        assert waits.queue == "cpu"
        victim = read_status(killed)
        assert victim.supervisor_pid
        os.kill(victim.supervisor_pid, 9)
        status = until(killed, lambda s: s.terminal)
        assert (status.state, "queue" in status.reason) == ("lost", True)
        manage.request_stop(cancelled)
        assert manage.wait(cancelled, timeout=10).state == "stopped"
        manage.kill_now(first)
        until(last, "running")
        manage.kill_now(last)

    def test_the_device_stays_taken_when_the_supervisor_dies(
        self, make_run: MakeRun, until: Until
    ) -> None:
        first, second = make_run(), make_run(seconds=0.2)
        launch.start(first, queue="cpu")
        status = until(first, "running")
        assert status.supervisor_pid
        assert status.pid
        os.kill(status.supervisor_pid, 9)
        launch.start(second, queue="cpu")
        time.sleep(1.0)
        assert read_status(second).state == "queued"
        os.kill(status.pid, 9)
        assert manage.wait(second, timeout=20).state == "completed"

    def test_a_device_that_is_none_is_refused(self, make_run: MakeRun) -> None:
        with pytest.raises(RunError, match="no device"):
            launch.start(make_run(), queue="../x")
