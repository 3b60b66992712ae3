"""`traindeck estimate`: the memory of a training, told before anything is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from trainer.cli import cli
from trainer.config.compose import compose
from trainer.errors import EXIT_WRONG_INPUT, ConfigError, Problem
from trainer.runs import estimate
from trainer.runs.estimate import GIB, Estimate, EstimateProcess, limit_of, verdict


def an_estimate(**more: Any) -> Estimate:
    known: dict[str, Any] = {
        "parameters": 1000, "trained": 500, "devices": 1, "weights": 4_000_000,
        "gradients": 2_000_000, "state": 4_000_000, "averages": 0, "buckets": 0,
        "activations": 90_000_000, "method": "shapes", "batch": 16, "notes": [],
    }  # fmt: skip
    return Estimate(**(known | more))


class Fake:
    """Stands for the process with torch."""

    found = an_estimate()
    wrong = ""

    def __enter__(self) -> Fake:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def estimate(self, config: Any, *, prepare: bool = False) -> Estimate:
        assert prepare
        if self.wrong:
            raise ConfigError(Problem(self.wrong))
        return self.found


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Fake]:
    class Mine(Fake):
        pass

    monkeypatch.setattr(estimate, "EstimateProcess", Mine)
    monkeypatch.chdir(tmp_path)
    return Mine


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["estimate", *words], standalone_mode=False)


def test_every_part_and_whether_it_fits(fake: type[Fake]) -> None:
    fake.found = an_estimate(averages=4_000_000, buckets=2_000_000, notes=["\x1b[31mbeware"])
    limit = ("hardware.device=cpu", "hardware.name=Toaster", "hardware.available_memory_gb=1")
    done = run("quickstart", "trainer.accelerator=cpu", *limit)
    assert done.return_value == 0
    assert done.stdout.splitlines() == [
        "memory of each process, in 32-true",
        "",
        "  weights           4.0 MB  1 000 values, 500 of them trained",
        "  gradients         2.0 MB",
        "  optimiser state   4.0 MB  AdamW",
        "  averaged weights  4.0 MB  kept by a callback",
        "  buckets of DDP    2.0 MB  in which gradients are sent",
        "  activations        90 MB  a step traced on shapes, batch of 16",
        "  total             106 MB  within 15 %; fits: hardware 'Toaster' has 1 GiB",
    ]
    assert "beware" in done.stderr
    assert "\x1b" not in done.stderr


def test_json_holds_the_parts_in_bytes(fake: type[Fake]) -> None:
    words = ("quickstart", "hardware=cloud-rtx-4090", "hardware.max_batch_size=null")
    answer = json.loads(run(*words, "--json").stdout)
    assert answer["hash"] == compose(words).hash
    assert answer["weights"] == 4_000_000
    assert answer["total"] == 100_000_000
    assert answer["limit"] == 24 * GIB
    assert answer["fits"] is True
    assert answer["error"] is None  # no GPU was measured
    onto_cpu = ("quickstart", "trainer.accelerator=cpu", "--json")
    assert json.loads(run(*onto_cpu).stdout)["error"] == 0.15
    fake.found = an_estimate(activations=None, method="", notes=["why"])
    answer = json.loads(run(*words, "--json").stdout)
    assert (answer["activations"], answer["error"], answer["fits"]) == (None, None, None)
    assert answer["notes"] == ["why"]


def test_what_is_beyond_the_profile_is_refused_or_clamped(fake: type[Fake]) -> None:
    words = ("quickstart", "hardware=cloud-rtx-4090")
    error = run(*words).exception
    assert isinstance(error, ConfigError)
    assert "takes at most 4" in str(error)
    done = run(*words, "--clamp")
    assert done.stdout.splitlines()[0] == "clamped to hardware 'Cloud RTX 4090'"
    assert "16 → 4" in done.stdout
    answer = json.loads(run(*words, "--clamp", "--json").stdout)
    assert {row["key"]: row["new"] for row in answer["clamped"]}["dataloader.batch_size"] == 4


def test_what_is_divided_among_devices_is_told_apart(fake: type[Fake]) -> None:
    fake.found = an_estimate(shards=4, devices=4, gathered=10_000_000)
    words = ("quickstart", "hardware=cloud-rtx-4090", "hardware.max_batch_size=null")
    out = run(*words).stdout
    assert "1 000 values, 500 of them trained, divided among 4 devices" in out
    assert "gathered          10 MB  weights and gradients, whole while they are used" in out
    assert (
        "110 MB  computed, not measured; fits: hardware 'Cloud RTX 4090' has 24 GiB on each" in out
    )
    assert json.loads(run(*words, "--json").stdout)["error"] is None


def test_what_cannot_be_built_is_told(fake: type[Fake]) -> None:
    fake.wrong = "no such model"
    error = run("quickstart").exception
    assert isinstance(error, ConfigError)
    assert "no such model" in str(error)
    assert error.exit_code == EXIT_WRONG_INPUT


@pytest.mark.parametrize(
    ("found", "limit", "said"),
    [
        (an_estimate(), 200_000_000, "within 15 %; fits: "),
        (an_estimate(), 110_000_000, "within 15 %; just fits: "),
        (an_estimate(), 90_000_000, "within 15 %; does not fit: "),
        (an_estimate(), None, "within 15 %; no limit is known: "),
        (an_estimate(activations=None), 200_000_000, "at least that; "),
        (an_estimate(activations=None), 9_000_000, "at least that; does not fit: "),
        (an_estimate(state=None), 200_000_000, "at least that; "),
        (an_estimate(partial=True), 200_000_000, "at least that; "),
    ],
)
def test_the_verdict(found: Estimate, limit: int | None, said: str) -> None:
    config = {"hardware": {"name": "Toaster"}, "trainer": {"accelerator": "cpu"}}
    assert verdict(found, config, limit).startswith(said)


def test_what_was_measured_on_a_cpu_alone_is_told_so() -> None:
    config = {"hardware": {"name": "Toaster"}, "trainer": {"accelerator": "gpu"}}
    said = verdict(an_estimate(), config, 200_000_000)
    assert said.startswith("within 15 % on a CPU, not measured on a GPU; fits: ")


def test_a_profile_of_another_kind_of_device_is_no_limit() -> None:
    hardware = {"device": "cuda", "available_memory_gb": 24}
    assert limit_of({"hardware": hardware, "trainer": {"accelerator": "cuda"}}) == 24 * GIB
    assert limit_of({"hardware": hardware, "trainer": {"accelerator": "cpu"}}) is None
    assert limit_of({"hardware": {}, "trainer": {}}) is None


def test_a_real_process_answers_for_the_shipped_recipes(tmp_path: Path) -> None:
    with EstimateProcess() as process:
        text = process.estimate(compose(["quickstart"]).config)
        assert text.state == 2 * text.gradients
        assert text.gradients == 4 * text.trained
        assert (text.method, text.batch, text.notes) == ("shapes", 16, [])
        assert text.activations is not None
        # Nothing is generated or read for it.
        spectra = process.estimate(compose([f"+data.cache_dir={tmp_path}"]).config)
        assert (spectra.method, spectra.notes) == ("shapes", [])
        assert list(tmp_path.iterdir()) == []
