"""`traindeck config lr`: the learning rate over a run, before it is launched."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from trainer.cli import cli
from trainer.errors import EXIT_WRONG_INPUT, ConfigError, Problem, RunError
from trainer.runs import helper, lr
from trainer.runs.lr import Curve, CurveProcess, length_of, needs_batches, notes_of
from trainer.runs.proc import is_alive, process_start_time


class Fake:
    """Stands for the process with torch."""

    wrong = ""
    counted: int | str = 10

    def __enter__(self) -> Fake:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self) -> None:
        pass

    def batches(self, config: Any) -> int:
        if isinstance(self.counted, str):
            raise ConfigError(Problem(self.counted))
        return self.counted

    def curve(self, config: Any, batches: int | None = None) -> Curve:
        if self.wrong:
            raise ConfigError(Problem(self.wrong))
        total = batches or 4
        values = [0.5 / (at + 1) for at in range(total)]
        return Curve(
            groups=["all"], unit="step", total=total, known=True, stepped=True, exact=True,
            rows=[[at, value] for at, value in enumerate(values)], width=1,
            first=[values], low=[values], high=[values], last=[values],
            points=[["start", 0, 0.5], ["end", total - 1, values[-1]]], notes=["\x1b[31mbeware"],
        )  # fmt: skip


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Fake]:
    class Mine(Fake):
        pass

    monkeypatch.setattr(lr, "CurveProcess", Mine)
    monkeypatch.chdir(tmp_path)
    return Mine


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["config", "lr", *words], standalone_mode=False)


def test_a_plot_with_its_key_points(fake: type[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    done = run("quickstart")
    assert done.return_value == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "learning rate over 4 steps"
    assert max(map(len, lines)) < 70
    assert any(line.startswith("start") and "0.5" in line for line in lines)
    assert lines[-1].startswith("note: ")
    assert "\x1b" not in done.stdout


def test_json_and_csv_hold_every_value(fake: type[Fake]) -> None:
    told = json.loads(run("quickstart", "--json").stdout)
    assert told["rows"][1] == {"at": 1, "lr": [0.25]}
    assert (told["unit"], told["every_step"], told["batches_per_epoch"]) == ("step", True, None)
    rows = list(csv.reader(io.StringIO(run("quickstart", "--csv").stdout)))
    assert rows[:3] == [["step", "lr"], ["0", "0.5"], ["1", "0.25"]]


def test_data_are_counted_only_where_the_curve_depends_on_them(fake: type[Fake]) -> None:
    epochs = ("quickstart", "trainer.max_epochs=3")
    done = run(*epochs)
    assert "over 10 steps" in done.stdout
    assert "builds the data" in done.stderr
    done = run(*epochs, "--batches-per-epoch", "7")
    assert "over 7 steps" in done.stdout
    assert "builds the data" not in done.stderr
    fake.counted = "The data do not say how many batches they have."
    assert "unknown: The data do not say" in run(*epochs).stdout


def test_what_torch_refuses_is_wrong_input(fake: type[Fake]) -> None:
    fake.wrong = "OneCycleLR fails at its step 21 of 33."
    error = run("quickstart").exception
    assert isinstance(error, ConfigError)
    assert error.exit_code == EXIT_WRONG_INPUT


@pytest.mark.parametrize(
    ("config", "needed"),
    [
        ({"trainer": {"max_steps": 9}}, False),
        ({"trainer": {"max_steps": 9, "max_epochs": 3}}, True),
        ({"trainer": {"max_epochs": 3}}, True),
        ({"trainer": {"max_epochs": 3}, "scheduler": {"type": "StepLR"}}, False),
        ({"trainer": {"max_steps": 9}, "scheduler": {"type": "StepLR"}}, True),
        ({"trainer": {"max_steps": 9}, "scheduler": {"type": "StepLR", "warmup": 3}}, False),
        ({"trainer": {"max_steps": 9}, "scheduler": {"type": "InverseLR"}}, False),
        ({"trainer": {"max_steps": 9}, "scheduler": {"type": "InverseLR", "frequency": 2}}, True),
        (
            {"trainer": {"max_steps": 9},
             "scheduler": {"type": "StepLR", "warmup": {"steps": 3, "interval": "epoch"}}},
            True,
        ),
        ({"trainer": {"max_steps": 9}, "scheduler": {"type": "StepLR", "enabled": False}}, False),
        ({"trainer": {"fast_dev_run": True}}, False),
    ],
)  # fmt: skip
def test_what_depends_on_the_data(config: dict[str, Any], needed: bool) -> None:
    assert needs_batches(config) is needed


def test_lengths_are_lightnings() -> None:
    def length(**trainer: Any) -> tuple[Any, Any]:
        found = length_of({"trainer": trainer})
        return found["steps"], found["epochs"]

    assert length() == (None, 1000)
    assert length(max_steps=-1, max_epochs=None) == (None, 1000)
    assert length(max_steps=5) == (5, None)
    assert length(max_steps=-1, max_epochs=-1) == (None, None)
    assert length(max_time="00:01:00:00") == (None, None)
    assert length(max_epochs=7, max_steps=5) == (5, 7)
    assert length_of({"trainer": {"fast_dev_run": 3}}, 90)["batches"] == 3


def test_what_may_make_it_another_is_noted() -> None:
    model = {"_target_": "mine.Net"}
    notes = notes_of({"trainer": {"resume_lr": 0.001}, "model": model})
    assert "0.001" in notes[0]
    assert "mine.Net" in notes[1]
    assert not notes_of({"model": {"_target_": "trainer.recipes.text.model.GPT"}})


def test_the_real_process_counts_the_data_and_tells_what_torch_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip("pytorch_lightning")
    monkeypatch.chdir(tmp_path)

    class Kept(CurveProcess):
        """One process for all commands of this test: each would import torch."""

        def __exit__(self, *_: object) -> None:
            assert self._process is not None

    kept = Kept()
    monkeypatch.setattr(lr, "CurveProcess", lambda: kept)
    request.addfinalizer(kept.close)
    words = (
        "quickstart",
        "data.max_items=4",
        "trainer.max_epochs=2",
        "trainer.max_steps=-1",
        "trainer.accumulate_grad_batches=2",
        "trainer.limit_train_batches=9",
    )
    told = json.loads(run(*words, "--json").stdout)
    assert (told["batches_per_epoch"], told["total"]) == (9, 10)
    (point,) = (
        p
        for p in json.loads(run("quickstart", "scheduler=warmup", "--json").stdout)["points"]
        if p["name"] == "warmup ends"
    )
    assert (point["at"], point["lr"][0]) == (99, pytest.approx(0.004))
    one_cycle = ("scheduler=onecycle", "scheduler.config.total_steps=8")
    done = run(*words, *one_cycle, "--batches-per-epoch", "9")
    assert isinstance(done.exception, ConfigError)
    assert "step 9 of 10" in str(done.exception)


BUILDS = """
import json, subprocess
input()
print(json.dumps({"pid": subprocess.Popen(["sleep", "600"]).pid}), flush=True)
input()
"""


def test_a_process_is_ended_with_all_that_its_data_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "builds.py").write_text(BUILDS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(helper, "_MODULE", "builds")
    process = CurveProcess()
    other = process.ask({})["pid"]
    begun = process_start_time(other)
    assert is_alive(other, begun)
    process.close()
    end = time.monotonic() + 60
    while is_alive(other, begun):
        assert time.monotonic() < end
        time.sleep(0.01)
    with pytest.raises(RunError, match="was ended"):
        process.curve({})


def test_a_process_that_has_ended_is_begun_anew() -> None:
    with CurveProcess() as process:
        process.start()
        first = process._process
        assert first is not None
        first.kill()
        first.wait()
        process.start()
        assert process._process is not first
