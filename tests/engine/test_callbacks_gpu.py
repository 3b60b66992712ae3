"""What the GPU tells: memory by torch's counters, utilization by NVML, and nothing where it cannot."""

from __future__ import annotations

import sys
import time
import uuid
from types import SimpleNamespace

import pytest
import torch

from trainer.engine.callbacks import gpu, memory
from trainer.engine.callbacks.gpu import Utilization, handle_of, names_of
from trainer.engine.callbacks.memory import MemorySampler, declared

ONE = uuid.UUID("12345678-1234-5678-1234-567812345678")
CUDA = torch.device("cuda", 1)


class NVMLError(Exception):
    pass


class FakeNvml:
    """A driver with two cards; torch sees the second of them alone."""

    def __init__(self, known=(f"GPU-{ONE}",), busy=(37,), installed=True):
        self.NVMLError = NVMLError
        self.known, self.busy, self.installed = known, list(busy), installed
        self.asked, self.running = [], 0

    def nvmlInit(self):
        if not self.installed:
            raise NVMLError("Driver Not Loaded")
        self.running += 1

    def nvmlShutdown(self):
        self.running -= 1

    def _handle(self, name):
        self.asked.append(name)
        if name not in self.known:
            raise NVMLError("Not Found")
        return name

    nvmlDeviceGetHandleByUUID = nvmlDeviceGetHandleByPciBusId = _handle

    def nvmlDeviceGetUtilizationRates(self, handle):
        if not self.busy:
            raise NVMLError("Not Supported")
        return SimpleNamespace(gpu=self.busy.pop(0))


@pytest.fixture
def card(monkeypatch):
    properties = SimpleNamespace(uuid=ONE, pci_domain_id=0, pci_bus_id=0x3B, pci_device_id=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    return properties


def until(what):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if (found := what()) is not None:
            return found
        time.sleep(0.005)
    raise AssertionError("nothing came")


def test_a_device_is_found_by_its_uuid_then_as_a_slice_then_by_its_bus(card):
    uuids, bus = names_of(card)
    assert uuids == [f"GPU-{ONE}", f"MIG-{ONE}"]
    assert bus == "00000000:3B:00.0"
    for known in (uuids[0], uuids[1], bus):
        assert handle_of(FakeNvml(known=(known,)), uuids, bus) == known
    assert handle_of(FakeNvml(known=()), uuids, bus) is None
    assert names_of(SimpleNamespace()) == ([], "")
    assert handle_of(FakeNvml(), [], "") is None


def test_utilization_is_asked_for_in_a_thread_and_given_once(card, monkeypatch):
    nvml = FakeNvml(busy=(37, 38))
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    busy = Utilization(CUDA, interval=0.001)
    assert until(busy.take) in (37.0, 38.0)
    busy._thread.join(30)
    busy.take()
    assert busy.take() is None
    assert nvml.running == 0
    assert nvml.asked == [f"GPU-{ONE}"]


@pytest.mark.parametrize(
    "nvml",
    [None, FakeNvml(installed=False), FakeNvml(known=()), FakeNvml(busy=())],
    ids=["not installed", "no driver", "unknown device", "a slice tells nothing"],
)
def test_where_nvml_does_not_tell_there_is_no_value(card, monkeypatch, nvml):
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    busy = Utilization(CUDA, interval=0.001)
    busy._thread.join(30)
    assert not busy._thread.is_alive()
    assert busy.take() is None


def test_closing_ends_the_thread(card, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    busy = Utilization(CUDA, interval=3600)
    busy.close()
    busy._thread.join(30)
    assert not busy._thread.is_alive()


def test_figures_of_a_cuda_device(card, monkeypatch):
    stats = {
        "allocated_bytes.all.current": 2**30,
        "reserved_bytes.all.current": 3 * 2**29,
        "allocated_bytes.all.peak": 5 * 2**28,
    }
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda device: stats)
    monkeypatch.setattr(memory, "Utilization", lambda *_: SimpleNamespace(take=lambda: 42.0))
    sampler = MemorySampler(CUDA)
    found = dict(sampler.sample(5.0))
    found.pop("memory/rss_bytes", None)
    assert found == {
        "gpu/memory_allocated_gb": 1.0,
        "gpu/memory_reserved_gb": 1.5,
        "gpu/max_memory_allocated_gb": 1.25,
        "gpu/utilization": 42.0,
    }
    assert sampler.sample(5.9) == []
    assert set(found) | {"memory/rss_bytes"} == set(declared(CUDA))


def test_other_devices_give_what_they_can(monkeypatch):
    assert set(declared(torch.device("cpu"))) == {"memory/rss_bytes"}
    assert [name for name, _ in MemorySampler(torch.device("cpu")).sample(1.0)] == [
        "memory/rss_bytes"
    ]
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: 2**29)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 2**30)
    apple = torch.device("mps")
    assert dict(MemorySampler(apple).sample(1.0)[1:]) == {
        "gpu/memory_allocated_gb": 0.5,
        "gpu/memory_reserved_gb": 1.0,
    }
    assert "gpu/max_memory_allocated_gb" not in declared(apple)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_real_gpu_tells_without_a_sync():
    device = torch.device("cuda", 0)
    held = torch.zeros(2**20, device=device)
    sampler = MemorySampler(device, interval=0.05)
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = dict(sampler.sample(1.0))
    finally:
        torch.cuda.set_sync_debug_mode("default")
        sampler.close()
    assert found["gpu/memory_allocated_gb"] >= held.nbytes / 2**30
    assert gpu.names_of(torch.cuda.get_device_properties(device))[0]
