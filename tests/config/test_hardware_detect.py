"""What a machine has, read from files and an NVML that tests bring themselves."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from hardwarelab import A100, GIB, RTX_4090, RTX_5060, T4, Nvml, host, write

from trainer.config import hardware_detect, hardware_torch
from trainer.config.hardware_detect import Machine, detect, facts_of
from trainer.config.hardware_gpus import amd, nvidia
from trainer.config.hardware_machine import Cpu, Gpu, Memory, cpu_of, memory_of, mps_of, visible
from trainer.config.hardware_torch import Torch, installed

CPU = Cpu("Lab CPU", 8, 4.0, "its control group")
MEMORY = Memory(32 * GIB, 16 * GIB, 8 * GIB)
CU128 = Torch("2.8.0+cu128", cuda="12.8", arches=("sm_75", "sm_80", "sm_86", "sm_90", "compute_90"))


def gpu(model: Any, index: int = 0) -> Gpu:
    return Gpu(index, model[0], "cuda", int(model[1] * GIB), None, model[2])


# cores and memory


def test_a_plain_machine(tmp_path: Path) -> None:
    host(tmp_path)
    assert cpu_of(tmp_path, affinity=8) == Cpu("Lab CPU", 8, 8.0)
    assert memory_of(tmp_path) == Memory(32 * GIB, 32 * GIB, 16 * GIB)
    assert cpu_of(tmp_path, affinity=3) == Cpu("Lab CPU", 8, 3.0, "its affinity")


def test_version_2_of_control_groups(tmp_path: Path) -> None:
    host(
        tmp_path,
        **{
            "proc/self/cgroup": "0::/box/inner\n",
            "sys/fs/cgroup/box/cpu.max": "250000 100000\n",
            "sys/fs/cgroup/box/memory.max": f"{8 * GIB}\n",
            "sys/fs/cgroup/box/memory.current": f"{3 * GIB}\n",
            "sys/fs/cgroup/box/inner/cpu.max": "max 100000\n",
            "sys/fs/cgroup/box/inner/memory.max": "max\n",
        },
    )
    assert cpu_of(tmp_path, affinity=8) == Cpu("Lab CPU", 8, 2.5, "its control group")
    assert memory_of(tmp_path) == Memory(32 * GIB, 8 * GIB, 5 * GIB, "its control group")


def test_version_1_of_control_groups_as_a_container_sees_it(tmp_path: Path) -> None:
    # The path is the host's; what is mounted is the container's own group.
    host(
        tmp_path,
        **{
            "proc/self/cgroup": "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{4 * GIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    )
    assert cpu_of(tmp_path, affinity=8).usable == 1.5
    assert memory_of(tmp_path).usable == 4 * GIB


def test_groups_without_a_limit_limit_nothing(tmp_path: Path) -> None:
    host(
        tmp_path,
        **{
            "proc/self/cgroup": "4:memory:/\n1:cpu:/\n0::/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    assert cpu_of(tmp_path, affinity=8).limited_by == ""
    assert memory_of(tmp_path).limited_by == ""


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert cpu_of(tmp_path, affinity=1).usable == 1.0
    if sys.platform == "linux":
        assert memory_of(tmp_path) == Memory(None, None, None)


def test_a_mac(tmp_path: Path) -> None:
    (found,) = mps_of(Memory(18 * GIB, 18 * GIB, None), "darwin", "arm64")
    assert (found.kind, found.memory) == ("mps", 12 * GIB)
    (large,) = mps_of(Memory(64 * GIB, 64 * GIB, None), "darwin", "arm64")
    assert large.memory == 48 * GIB
    assert mps_of(MEMORY, "darwin", "x86_64") == []
    assert mps_of(MEMORY, "linux", "arm64") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [("0,2", ["0", "2"]), ("", []), ("-1", []), ("1,-1,0", ["1"]), (" GPU-1 ", ["GPU-1"])],
)
def test_variables_that_hide_devices(text: str, words: list[str]) -> None:
    assert visible({"A": text}, "B", "A") == words
    assert visible({}, "A") is None


# NVIDIA


def test_nvml_tells(tmp_path: Path) -> None:
    nvml = Nvml(A100, RTX_4090)
    gpus, driver, said = nvidia(tmp_path, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, nvml)
    assert [(g.name, g.sm, g.memory) for g in gpus] == [
        ("NVIDIA A100-SXM4-40GB", "sm_80", 40 * GIB),
        ("NVIDIA GeForce RTX 4090", "sm_89", int(23.99 * GIB)),
    ]
    assert (driver, said, nvml.closed) == ("580.1", [], 1)


def test_devices_may_be_hidden_by_index_and_uuid(tmp_path: Path) -> None:
    for chosen, indices in (("1", [1]), ("GPU-1abc,0", [1, 0]), ("GPU-0a", [0]), ("", [])):
        gpus, _, said = nvidia(tmp_path, {"CUDA_VISIBLE_DEVICES": chosen}, Nvml(A100, A100))
        assert [g.index for g in gpus] == indices
        assert bool(said) == (len(indices) < 2)


def test_a_gpu_that_has_fallen_off_the_bus_is_told(tmp_path: Path) -> None:
    gpus, _, said = nvidia(tmp_path, {}, Nvml(None, A100))
    assert [g.index for g in gpus] == [1]
    assert said == ["GPU 0 does not answer: GPU is lost"]


def test_slices_count_with_their_own_memory(tmp_path: Path) -> None:
    gpus, _, said = nvidia(tmp_path, {}, Nvml(A100, slices=(4.75, 9.5)))
    assert [g.memory for g in gpus] == [int(4.75 * GIB), int(9.5 * GIB)]
    assert "slices" in said[0]
    gpus, _, _ = nvidia(
        tmp_path, {"CUDA_VISIBLE_DEVICES": "MIG-01"}, Nvml(A100, slices=(4.75, 9.5))
    )
    assert [g.uuid for g in gpus] == ["MIG-01"]


def test_no_driver_is_no_news_and_a_broken_one_is(tmp_path: Path) -> None:
    asked: list[Any] = []

    def smi(words: tuple[str, ...]) -> str:
        asked.append(words)
        return ""

    nothing = Nvml(broken="NVML Shared Library Not Found")
    assert nvidia(tmp_path, {}, nothing, smi) == ([], "", [])
    assert not asked
    _, _, said = nvidia(tmp_path, {}, Nvml(broken="Driver/library version mismatch"), smi)
    assert said == ["NVML does not answer: Driver/library version mismatch"]
    write(tmp_path, {"proc/driver/nvidia/version": "NVRM"})
    _, _, said = nvidia(tmp_path, {}, nothing, smi)
    assert said == ["NVML does not answer: NVML Shared Library Not Found"]
    assert len(asked) == 2


def test_nvidia_smi_is_asked_where_nvml_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, {"proc/driver/nvidia/version": "NVRM"})
    text = "0, Tesla T4, 15360, 15000, 7.5, GPU-1, 0000:00:04.0, 550.54\n1, odd, [N/A], [N/A], [N/A], G, b, 550.54\n"
    gpus, driver, _ = nvidia(tmp_path, {}, Nvml(broken="no"), lambda _: text)
    assert [(g.memory, g.sm) for g in gpus] == [(15 * GIB, "sm_75"), (None, "")]
    assert driver == "550.54"


# AMD


def test_amd_is_read_from_the_kernels_files(tmp_path: Path) -> None:
    topology = "sys/class/kfd/kfd/topology/nodes"
    write(
        tmp_path,
        {
            f"{topology}/0/properties": "cpu_cores_count 64\nsimd_count 0\n",
            f"{topology}/1/properties": "simd_count 440\ngfx_target_version 90010\ndrm_render_minor 128\n",
            f"{topology}/2/properties": "simd_count 96\ngfx_target_version 110000\ndrm_render_minor 129\n",
            f"{topology}/2/name": "navi31\n",
            f"{topology}/2/mem_banks/0/properties": f"heap_type 1\nsize_in_bytes {24 * GIB}\n",
            "sys/class/drm/renderD128/device/vendor": "0x1002\n",
            "sys/class/drm/renderD128/device/product_name": "AMD Instinct MI250X\n",
            "sys/class/drm/renderD128/device/mem_info_vram_total": f"{64 * GIB}\n",
            "sys/class/drm/renderD128/device/mem_info_vram_used": f"{GIB}\n",
            "sys/module/amdgpu/version": "6.10.5\n",
        },
    )
    gpus, driver, said = amd(tmp_path, {})
    assert [(g.name, g.sm, g.memory) for g in gpus] == [
        ("AMD Instinct MI250X", "gfx90a", 64 * GIB),
        ("navi31", "gfx1100", 24 * GIB),
    ]
    assert gpus[0].free == 63 * GIB
    assert (driver, said) == ("6.10.5", [])
    gpus, _, said = amd(tmp_path, {"HIP_VISIBLE_DEVICES": "1"})
    assert [g.index for g in gpus] == [1]
    assert said


def test_a_card_without_rocm_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"sys/class/drm/renderD128/device/vendor": "0x1002\n"})
    gpus, _, said = amd(tmp_path, {})
    assert not gpus
    assert "ROCm" in said[0]


# PyTorch


def torch_folder(root: Path, cuda: str | None) -> Path:
    text = f"from typing import Optional\n__version__ = '2.9.0'\ncuda: Optional[str] = {cuda!r}\nhip: Optional[str] = None\n"
    return write(root, {"torch/version.py": text}) / "torch"


def test_the_build_is_read_and_the_architectures_asked_for_once(tmp_path: Path) -> None:
    folder, cache = torch_folder(tmp_path, "12.9"), tmp_path / "cache" / "torch.json"
    asked = []

    def ask() -> list[str]:
        asked.append(1)
        return ["sm_80", "sm_90"]

    for _ in range(2):
        found = installed([gpu(A100)], folder, ask, cache)
        assert found == Torch("2.9.0", "12.9", "", ("sm_80", "sm_90"))
    assert len(asked) == 1
    cache.write_text("[broken")
    assert installed([gpu(A100)], folder, ask, cache) == found
    (folder / "version.py").write_text("__version__ = '3.0'\ncuda = '13.0'\n")
    installed([gpu(A100)], folder, ask, cache)
    assert len(asked) == 3
    assert json.loads(cache.read_text())["version"] == "3.0"


def test_nobody_is_asked_without_need(tmp_path: Path) -> None:
    def ask() -> list[str]:
        raise AssertionError("torch was asked")

    cache = tmp_path / "c"
    assert installed([], torch_folder(tmp_path / "a", "12.9"), ask, cache) is not None
    cpu = installed([gpu(A100)], torch_folder(tmp_path / "b", None), ask, cache)
    assert cpu is not None
    assert cpu.lacks(gpu(A100)) == "PyTorch 2.9.0 is built without CUDA"
    assert installed([], tmp_path / "nowhere", ask, cache) is None


@pytest.mark.parametrize(
    ("capability", "arches", "known"),
    [
        ((12, 0), ("sm_80", "sm_90"), False),
        ((12, 0), ("sm_90", "compute_90"), True),
        ((12, 0), ("sm_90", "sm_120"), True),
        ((8, 9), ("sm_80", "sm_90"), True),
        ((8, 0), ("sm_86", "sm_90"), False),
        ((6, 0), ("sm_75", "sm_80", "compute_90"), False),
        ((9, 0), ("sm_90a",), True),
        ((12, 0), (), True),
    ],
)
def test_which_capability_a_build_can_run(
    capability: tuple[int, int], arches: tuple[str, ...], known: bool
) -> None:
    card = Gpu(0, "card", "cuda", None, None, capability)
    torch = Torch("2.6.0+cu124", cuda="12.4", arches=arches)
    assert (torch.lacks(card) == "") is known


def test_the_words_of_the_document() -> None:
    torch = Torch("2.6.0+cu124", cuda="12.4", arches=("sm_80", "sm_90"))
    said = torch.lacks(gpu(RTX_5060))
    assert said.startswith("CUDA capability sm_120 not supported by PyTorch 2.6.0+cu124")


# What it means for a profile


def test_auto_takes_all_gpus_of_a_kind() -> None:
    facts, told = facts_of(Machine(CPU, MEMORY, (gpu(T4), gpu(T4, 1)), torch=CU128))
    assert (facts["device"], facts["devices"], facts["available_memory_gb"]) == ("cuda", 2, 15.0)
    assert (facts["supports_fp16"], facts["supports_bf16"]) == (True, False)
    assert told == "2 x Tesla T4 with 15 GB each, fp16"


def test_auto_falls_back_to_the_cpu_and_says_why() -> None:
    torch = Torch("2.6.0+cu124", cuda="12.4", arches=("sm_80", "sm_90"))
    facts, told = facts_of(Machine(CPU, MEMORY, (gpu(RTX_5060),), torch=torch))
    assert (facts["device"], facts["available_memory_gb"]) == ("cpu", 16.0)
    assert "RTX 5060 Ti is not used: CUDA capability sm_120 not supported" in told


def test_auto_on_other_makers_machines() -> None:
    mac, _ = facts_of(Machine(CPU, MEMORY, (Gpu(0, "Apple M2", "mps", 12 * GIB),)))
    assert (mac["device"], mac["supports_bf16"]) == ("mps", False)
    assert mac["supports_gradient_checkpointing"] is False
    rocm = Torch("2.8.0+rocm6.4", hip="6.4", arches=("gfx90a", "gfx1100"))
    card = Gpu(0, "MI250X", "rocm", 64 * GIB, arch="gfx90a")
    amd_facts, _ = facts_of(Machine(CPU, MEMORY, (card,), torch=rocm))
    assert (amd_facts["device"], amd_facts["supports_bf16"]) == ("cuda", True)
    old = Gpu(0, "Vega", "rocm", 8 * GIB, arch="gfx900")
    assert rocm.lacks(old).startswith("architecture gfx900 not supported")


def test_the_whole_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware_torch, "installed", lambda gpus: CU128)
    found = detect(host(tmp_path), {}, Nvml(A100))
    assert found.usable == found.gpus
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain["drivers"] == {"nvidia": "580.1"}
    assert plain["gpus"][0]["capability"] == [8, 0]
    assert plain["gpus"][0]["lacking"] == ""


def test_a_form_that_composes_with_every_key_asks_once_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter([0.0, 30.0, 61.0])
    found = [Machine(CPU, MEMORY), Machine(CPU, MEMORY)]
    monkeypatch.setattr(hardware_detect, "_last", None)
    monkeypatch.setattr(hardware_detect, "monotonic", lambda: next(times))
    monkeypatch.setattr(hardware_detect, "detect", found.pop)
    first = hardware_detect.machine()
    assert hardware_detect.machine() is first
    assert hardware_detect.machine() is not first
