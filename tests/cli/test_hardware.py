"""`traindeck hardware`, and `--clamp` as it is typed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "config"))
from hardwarelab import RTX_4090, RTX_5060, Nvml, host

from trainer.cli import main
from trainer.commands.follow import smaller
from trainer.config import hardware_detect, hardware_torch
from trainer.config.hardware_torch import Torch
from trainer.runs.layout import RunFolder

CU124 = Torch("2.6.0+cu124", cuda="12.4", arches=("sm_80", "sm_90"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KAGGLE_KERNEL_RUN_TYPE", raising=False)


@pytest.fixture
def on_a(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put the program on a machine of one's own."""

    def put(*gpus: object, torch: Torch | None = CU124) -> None:
        found = hardware_detect.detect
        monkeypatch.setattr(hardware_torch, "installed", lambda _: torch)
        root = host(tmp_path / "root")
        monkeypatch.setattr(hardware_detect, "detect", lambda: found(root, {}, Nvml(*gpus)))
        monkeypatch.setattr(hardware_detect, "_last", None)

    return put


def typed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def test_a_machine_with_a_gpu(on_a, capsys) -> None:
    on_a(RTX_4090)
    code, out, _ = typed(capsys, "hardware")
    assert code == 0
    assert "NVIDIA GeForce RTX 4090, 24 GB, 12 free, sm_89" in out
    assert "driver  nvidia 580.1" in out
    lines = out.splitlines()
    assert any(line.startswith("yes   cloud-rtx-4090") for line in lines)
    assert any("needs 40 GB, and NVIDIA GeForce RTX 4090 has 24" in line for line in lines)
    assert "  traindeck train quickstart hardware=cloud-rtx-4090 --clamp" in lines


def test_a_card_that_pytorch_does_not_know(on_a, capsys) -> None:
    on_a(RTX_5060)
    _, out, _ = typed(capsys, "hardware")
    assert "cannot be used: CUDA capability sm_120 not supported by PyTorch 2.6.0+cu124" in out
    assert "hardware=auto takes  Lab CPU" in out
    assert "  traindeck train quickstart hardware=cpu" in out


def test_a_machine_without_pytorch(on_a, capsys) -> None:
    on_a(torch=None)
    _, out, _ = typed(capsys, "hardware")
    assert "torch   not installed: pip install 'traindeck[train]'" in out
    assert "gpu     none found" in out


def test_for_programs(on_a, capsys) -> None:
    on_a(RTX_4090)
    _, out, _ = typed(capsys, "hardware", "--json")
    told = json.loads(out)
    assert told["use"] == "cloud-rtx-4090"
    assert told["auto"]["device"] == "cuda"
    assert told["machine"]["gpus"][0]["capability"] == [8, 9]
    assert {p["name"] for p in told["profiles"] if p["fits"]} >= {"auto", "cpu", "cloud-rtx-4090"}
    quickstart = next(p for p in told["presets"] if p["name"] == "quickstart")
    assert quickstart["overrides"] == ["quickstart", "hardware=cloud-rtx-4090"]
    assert quickstart["clamp"] is True


def test_a_profile_is_written_once_and_used(on_a, capsys, tmp_path: Path) -> None:
    on_a(RTX_4090)
    code, out, err = typed(capsys, "hardware", "--write", "mine")
    assert (code, out) == (0, "use it with  traindeck train hardware=mine\n")
    assert "written: profiles/hardware/mine.yaml" in err
    text = (tmp_path / "profiles" / "hardware" / "mine.yaml").read_text()
    assert 'name: "NVIDIA GeForce RTX 4090"' in text
    assert typed(capsys, "hardware", "--write", "mine")[0] == 2
    assert typed(capsys, "hardware", "--write", "../up")[0] == 2
    code, out, _ = typed(capsys, "config", "show", "quickstart", "hardware=mine")
    assert yaml.safe_load(out)["trainer"]["accelerator"] == "gpu"


def test_writing_tells_programs_where_and_people_what_it_hides(on_a, capsys, tmp_path) -> None:
    on_a()
    code, out, err = typed(capsys, "hardware", "--write", "cpu", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["path"] == str(tmp_path / "profiles" / "hardware" / "cpu.yaml")
    assert told["machine"]["cpu"]["name"] == "Lab CPU"
    assert "from now on hardware=cpu is this one here" in err
    assert "from now on" not in typed(capsys, "hardware", "--write", "mine")[2]


@pytest.mark.parametrize("name", ["nope.toml", "nope.yaml", "broken.toml"])
def test_a_file_that_is_broken_or_not_there_is_told_once(on_a, capsys, tmp_path, name) -> None:
    on_a(RTX_4090)
    (tmp_path / "broken.toml").write_text("[lora.mine]\nr = \n")
    code, out, err = typed(capsys, "hardware", "--config", name)
    assert (code, out) == (2, "")
    assert err.count(name) == err.count("\n") == 1


def test_beyond_the_profile_is_refused_and_clamped(capsys, tmp_path: Path) -> None:
    words = ["train", "quickstart", "hardware=cloud-rtx-4090", "--dry-run"]
    code, out, err = typed(capsys, *words)
    assert (code, out) == (2, "")
    assert "'dataloader.batch_size' is 16, and hardware 'Cloud RTX 4090' takes at most 4" in err
    assert "or let `--clamp` do so" in err
    code, out, _ = typed(capsys, *words, "--clamp", "hardware.devices=1")
    assert code == 0
    assert "clamped to hardware 'Cloud RTX 4090'" in out
    assert "16 → 4" in out
    assert "batch: 4 per device x 4 accumulated = 16 a step" in out
    assert "cost: 0.60 $ an hour" in out
    assert out.rstrip().endswith("hardware=cloud-rtx-4090 hardware.devices=1 --clamp")
    code, out, _ = typed(capsys, *words, "--clamp", "--json", "limits.wall_clock=2h")
    told = json.loads(out)
    assert {"key": "dataloader.batch_size", "old": 16, "new": 4}.items() <= next(
        row for row in told["clamped"] if row["key"] == "dataloader.batch_size"
    ).items()
    assert (told["batch"]["per_device"], told["batch"]["effective"]) == (4, None)


def test_the_cost_of_a_run_that_has_an_end(capsys) -> None:
    _, out, _ = typed(
        capsys, "train", "quickstart", "hardware=cloud-rtx-4090", "--clamp", "--dry-run",
        "limits.wall_clock=2h",
    )  # fmt: skip
    assert "cost: 0.60 $ an hour, at most 1.20 $ within 2:00:00" in out


def test_auto_is_told_in_a_note_and_kept(on_a, capsys) -> None:
    on_a(RTX_4090)
    _, out, _ = typed(capsys, "train", "quickstart", "hardware=auto", "--dry-run")
    assert "note: hardware: NVIDIA GeForce RTX 4090 with 24 GB, fp16 and bf16" in out
    config = yaml.safe_load(out.split("\n\n")[0])
    assert config["hardware"]["name"] == "NVIDIA GeForce RTX 4090"
    assert config["hardware"]["detect"] is False


@pytest.mark.parametrize(
    ("checkpoint", "command", "said"),
    [
        (True, [], "traindeck resume {run} dataloader.batch_size=4 trainer.accumulate_grad_batches=2"),
        (
            False,
            ["traindeck", "train", "quickstart", "batch_size=8", "seed=3"],
            "traindeck train quickstart seed=3 dataloader.batch_size=4 trainer.accumulate_grad_batches=2",
        ),
        (False, ["traindeck", "rerun", "x"], ""),
        (False, ["traindeck", "train", "logger.key=***"], ""),
    ],
)  # fmt: skip
def test_a_run_out_of_memory_is_offered_a_smaller_one(
    tmp_path: Path, checkpoint: bool, command: list[str], said: str
) -> None:
    run = RunFolder(tmp_path)
    run.path.joinpath("run.json").write_text(json.dumps({"id": "run1", "command": command}))
    run.config.write_text("trainer: {accumulate_grad_batches: 1}\ndataloader: {batch_size: 8}\n")
    assert smaller(run, checkpoint) == said.format(run=run.called())
