"""Machines that are not as one thinks: drivers that hang, slices, GPUs of several kinds, Jetsons."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from hardwarelab import A100, GIB, RTX_4090, T4, Nvml, host, write

from trainer.config import hardware_gpus
from trainer.config.hardware_detect import Machine, facts_of
from trainer.config.hardware_fit import misfits
from trainer.config.hardware_gpus import amd, nvidia
from trainer.config.hardware_machine import Cpu, Gpu, Memory, memory_of
from trainer.config.hardware_rules import hardware_profiles
from trainer.config.hardware_torch import Torch, installed

CU126 = Torch("2.8.0+cu126", cuda="12.6", arches=("sm_75", "sm_80", "sm_86", "sm_90"))


def machine(gpus: list[Gpu], torch: Torch | None = CU126) -> Machine:
    memory = Memory(32 * GIB, 32 * GIB, None)
    return Machine(Cpu("Lab CPU", 8, 8.0), memory, tuple(gpus), torch=torch)


def no_smi(_: tuple[str, ...]) -> str:
    raise AssertionError("nvidia-smi was asked")


def test_a_driver_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    hangs = Event()
    gpus, driver, said = nvidia(tmp_path, {}, Nvml(A100, hangs=hangs), no_smi, patience=0.05)
    assert (gpus, driver, said) == ([], "", ["NVML does not answer within 0.05 seconds"])
    hangs.set()


def test_without_nvml_the_tool_is_asked_where_no_module_shows_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as under WSL without nvidia-ml-py
    line = "0, NVIDIA GeForce RTX 4090, 24564, 20000, 8.9, GPU-1, 0000:01:00.0, 560.94\n"
    monkeypatch.setattr(hardware_gpus, "which", lambda _: "/usr/lib/wsl/lib/nvidia-smi")
    gpus, driver, said = nvidia(tmp_path, {}, run=lambda _: line)
    assert ([g.sm for g in gpus], driver, said) == (["sm_89"], "560.94", [])
    monkeypatch.setattr(hardware_gpus, "which", lambda _: None)
    assert nvidia(tmp_path, {}, run=no_smi) == ([], "", [])


def test_bindings_that_lack_a_function_tell_the_rest(tmp_path: Path) -> None:
    class Old(Nvml):
        nvmlDeviceGetMigMode = property()  # type: ignore[assignment]
        nvmlSystemGetCudaDriverVersion = property()  # type: ignore[assignment]

    (gpu,), _, said = nvidia(tmp_path, {}, Old(A100))
    assert (gpu.sm, gpu.driver_cuda, said) == ("sm_80", None, [])


def test_of_slices_a_process_uses_one(tmp_path: Path) -> None:
    gpus, _, _ = nvidia(tmp_path, {}, Nvml(A100, slices=(4.75, 9.5)))
    facts, _ = facts_of(machine(gpus))
    assert (facts["devices"], facts["available_memory_gb"]) == (1, 4.8)
    (said,) = misfits(hardware_profiles()["cloud-rtx-4090"], machine(gpus))
    assert said == "needs 24 GB, and NVIDIA A100-SXM4-40GB (slice) has 4.8"
    chosen, _, _ = nvidia(
        tmp_path, {"CUDA_VISIBLE_DEVICES": "MIG-01"}, Nvml(A100, slices=(4.75, 9.5))
    )
    assert facts_of(machine(chosen))[0]["available_memory_gb"] == 9.5


def test_a_gpu_to_be_cut_that_is_not_is_none(tmp_path: Path) -> None:
    gpus, _, said = nvidia(tmp_path, {}, Nvml(A100, mig=True))
    assert gpus == []
    assert "has none: nvidia-smi mig -cgi" in said[0]


def test_gpus_of_several_kinds(tmp_path: Path) -> None:
    gpus, _, said = nvidia(tmp_path, {}, Nvml(T4, A100, T4))
    assert "CUDA counts the fastest first" in said[0]
    facts, _ = facts_of(machine(gpus))
    assert facts["name"] == "2 x Tesla T4 + NVIDIA A100-SXM4-40GB"
    assert (facts["available_memory_gb"], facts["supports_bf16"]) == (15.0, False)
    # The largest of them is what a profile for one device is about.
    assert misfits(hardware_profiles()["cloud-a100-40gb"], machine(gpus)) == []
    _, _, said = nvidia(tmp_path, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, Nvml(T4, A100))
    assert said == []


@pytest.mark.parametrize(
    ("text", "indices"),
    [("2,0", [2, 0]), ("0,7,1", [0]), ("7,0", []), ("0,0", []), ("GPU-2", [2]), ("GPU-x", []), ("", [])],
)  # fmt: skip
def test_cuda_stops_at_the_first_gpu_that_is_not_there(
    tmp_path: Path, text: str, indices: list[int]
) -> None:
    gpus, _, _ = nvidia(tmp_path, {"CUDA_VISIBLE_DEVICES": text}, Nvml(A100, A100, A100))
    assert [g.index for g in gpus] == indices


def test_a_driver_older_than_pytorchs_cuda_is_told(tmp_path: Path) -> None:
    (gpu,), _, _ = nvidia(tmp_path, {}, Nvml(RTX_4090, cuda=11080))
    assert CU126.lacks(gpu).startswith(
        "its driver knows CUDA up to 11.8, and PyTorch 2.8.0+cu126 is built with CUDA 12.6"
    )
    (gpu,), _, _ = nvidia(tmp_path, {}, Nvml(RTX_4090, cuda=12020))
    assert CU126.lacks(gpu) == ""


def test_what_is_compiled_for_one_architecture_alone_runs_on_no_other() -> None:
    hopper, newer = (Gpu(0, "card", "cuda", capability=(9, minor)) for minor in (0, 1))
    torch = Torch("2.8.0", cuda="12.8", arches=("sm_90a",))
    assert (torch.lacks(hopper), bool(torch.lacks(newer))) == ("", True)


def test_an_empty_answer_of_pytorch_is_not_kept(tmp_path: Path) -> None:
    folder = write(tmp_path, {"torch/version.py": "__version__ = '2.6.0'\ncuda = '12.4'\n"})
    answers = iter([[], ["sm_90"]])
    cache = tmp_path / "cache.json"
    cards = [Gpu(0, "card", "cuda", capability=(9, 0))]
    for arches in ((), ("sm_90",), ("sm_90",)):
        found = installed(cards, folder / "torch", lambda: next(answers), cache)
        assert found is not None
        assert found.arches == arches


def test_a_jetson_shares_its_memory(tmp_path: Path) -> None:
    host(
        tmp_path,
        **{
            "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0",
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        },
    )
    (gpu,), _, _ = nvidia(tmp_path, {}, Nvml(broken="NVML Shared Library Not Found"), no_smi)
    assert (gpu.name, gpu.sm) == ("NVIDIA Jetson Orin Nano Developer Kit", "sm_87")
    assert gpu.memory == 32 * GIB


def test_files_read_before_count_as_free_memory(tmp_path: Path) -> None:
    host(
        tmp_path,
        **{
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{8 * GIB}\n",
            "sys/fs/cgroup/memory.current": f"{7 * GIB}\n",
            "sys/fs/cgroup/memory.stat": f"anon 5\ninactive_file {4 * GIB}\n",
        },
    )
    assert memory_of(tmp_path).available == 5 * GIB


def test_amds_variables_choose_one_after_the_other(tmp_path: Path) -> None:
    topology = "sys/class/kfd/kfd/topology/nodes"
    for node in range(3):
        text = f"simd_count 440\ngfx_target_version 90010\nunique_id {node + 1}\n"
        write(tmp_path, {f"{topology}/{node}/properties": text})
    for variables, indices in (
        ({"ROCR_VISIBLE_DEVICES": "1,2", "HIP_VISIBLE_DEVICES": "1"}, [2]),
        ({"CUDA_VISIBLE_DEVICES": "0"}, [0]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-0000000000000003"}, [2]),
        ({"HIP_VISIBLE_DEVICES": ""}, []),
    ):
        gpus, _, said = amd(tmp_path, variables)
        assert [g.index for g in gpus] == indices
        assert next(iter(variables)) in said[0]
