"""Snapshots go into memory that is kept, share what was shared, and wait for nothing else."""

from __future__ import annotations

import mmap
import os

import pytest
import torch
from torch import nn

from trainer.engine import hostmem
from trainer.engine.fit import fit
from trainer.engine.hostmem import HostMemory, copy_together
from trainer.engine.snapshot import size_of, take


def test_the_same_state_goes_into_the_same_memory():
    memory = HostMemory()
    state = {"a": torch.randn(700_000), "b": [torch.randn(3), torch.arange(5)]}

    first = take(state, memory).data
    places = [t.data_ptr() for t in (first["a"], *first["b"])]
    held = memory.size
    state["a"] += 1
    second = take(state, memory).data

    assert [t.data_ptr() for t in (second["a"], *second["b"])] == places
    assert torch.equal(second["a"], state["a"])
    assert memory.size == held


def test_memory_grows_and_shrinks_with_the_state():
    memory = HostMemory()
    large = {"a": torch.ones(20_000_000), "b": torch.ones(20_000_000)}

    assert take(large, memory).data["b"].sum() == 20_000_000
    assert memory.size >= 160_000_000
    assert take({"a": torch.ones(3)}, memory).data["a"].tolist() == [1, 1, 1]
    assert memory.size < 160_000_000
    memory.release()
    assert memory.size == 0


def test_preparing_changes_nothing_that_is_already_there():
    memory = HostMemory()
    state = {"a": torch.randn(8_000_000)}

    memory.prepare(size_of(state.values()))
    copies = [take(state, memory).data["a"] for _ in range(3)]  # while pages are made ready
    memory.release()  # waits for that

    assert torch.equal(copies[-1], state["a"])
    assert copies[0].data_ptr() == copies[-1].data_ptr()


def test_a_prepared_snapshot_needs_no_more_memory():
    memory = HostMemory()
    model = nn.LSTM(512, 512)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(2, 1, 512))[0].sum().backward()
    optimizer.step()
    tensors = [*model.parameters()]
    tensors += [t for state in optimizer.state.values() for t in state.values()]

    memory.prepare(size_of(tensors))
    held = memory.size
    take({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, memory)

    assert memory.size == held
    memory.release()


def test_copies_together_are_exact():
    sources = [torch.randn(n) for n in (1, 1000, 40_000, 3_000_001)]
    targets = [torch.empty_like(source) for source in sources]

    copy_together(zip(targets, sources, strict=True))

    assert all(map(torch.equal, targets, sources))


def test_what_is_shared_is_written_once_and_stays_shared(tmp_path):
    table = torch.randn(50_000)
    flat = torch.randn(20_000)
    state = {
        "embedding": table,
        "head": table,
        "turned": table.view(500, 100).T,
        "row": table[:100],
        "view": flat[5_000:6_000],
        "same view": flat[5_000:6_000],
        "same numbers": torch.zeros(1).expand(1_000_000),
    }

    torch.save(take(state, HostMemory()).data, tmp_path / "x.ckpt")
    back = torch.load(tmp_path / "x.ckpt", weights_only=True)

    assert (tmp_path / "x.ckpt").stat().st_size < table.nbytes + 4_000 + 10_000
    assert all(torch.equal(back[key], state[key]) for key in state)
    back["embedding"][0] = 7
    assert back["head"][0] == back["turned"][0, 0] == back["row"][0] == 7
    assert back["view"].data_ptr() == back["same view"].data_ptr()


def test_a_fork_does_not_take_the_memory_along():
    """Or each page that the next snapshot writes to would be copied while a loader worker lives."""
    memory = HostMemory()
    memory.prepare(32 << 20)
    start = memory._blocks[0]._start
    reading, writing = os.pipe()

    child = os.fork()
    if child == 0:
        with open("/proc/self/maps") as maps:  # noqa: PTH123 - as little as can be in a fork
            ranges = [line.split()[0].split("-") for line in maps]
        there = any(int(a, 16) <= start < int(b, 16) for a, b in ranges)
        os.write(writing, b"1" if there else b"0")
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reading, 1) == b"0"
    memory.release()


@pytest.mark.parametrize("back_after", [None, 3])
def test_training_goes_on_where_there_is_no_memory_for_a_copy(lab, events, monkeypatch, back_after):
    """The system refuses from the first step on; later, perhaps, it no longer does."""
    asked = []

    class Refused(mmap.mmap):
        def __new__(cls, *arguments, **more):
            asked.append(arguments)
            if back_after is None or len(asked) <= back_after:
                raise OSError(12, "Cannot allocate memory")
            return super().__new__(cls, *arguments, **more)

    monkeypatch.setattr(hostmem.mmap, "mmap", Refused)
    monkeypatch.setattr(hostmem, "_SLICE", 1)  # so that this small model is made ready for
    run = lab(**{"trainer.save_top_k": 0})

    # The last checkpoint is lost in the one case, and not in the other.
    assert fit(run) == (1 if back_after is None else 0)

    assert max(e["step"] for e in events(run, "metrics")) == 33
    alerts = events(run, "alert")
    assert {alert["kind"] for alert in alerts} == {"checkpoint_failed"}
    assert "Cannot allocate memory" in alerts[0]["message"]
    assert len(alerts) == (3 if back_after is None else 2)
    assert len(events(run, "checkpoint")) == (0 if back_after is None else 1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_snapshot_of_a_gpu_is_of_the_instant_it_was_taken():
    memory = HostMemory()
    live = torch.randn(64 << 20, device="cuda")
    memory.prepare(live.nbytes, live.device)
    for _ in range(3):
        expected = live.clone()
        snapshot = take({"w": live, "part": live[::2]}, memory)
        live.add_(1)  # comes after the copy in the stream
        snapshot.wait()
        assert torch.equal(snapshot.data["w"], expected.cpu())
        assert torch.equal(snapshot.data["part"], expected[::2].cpu())
    memory.release()
