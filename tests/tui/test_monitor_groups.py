"""Which metrics share a panel, and which panel leads."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tui.screens.monitor.groups import CURVES, group, split_name

OURS = (
    "train/loss",
    "lr",
    "grad_norm",
    "grad_clip_pct",
    "perf/batch_time_sec",
    "perf/data_wait_sec",
    "perf/samples_per_sec",
    "perf/tokens_per_sec",
    "memory/rss_bytes",
    "gpu/peak_bytes",
    "val/loss",
    "val/bits_per_byte",
    "train/loss_epoch",
)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("train/loss", ("train", "loss")),
        ("val/loss", ("val", "loss")),
        ("eval_loss", ("val", "loss")),
        ("validation.acc", ("val", "acc")),
        ("test/acc", ("test", "acc")),
        ("loss", ("", "loss")),
        ("values", ("", "values")),
        ("training_time", ("train", "time")),
        ("trainer/step", ("", "trainer/step")),
        ("val/", ("", "val/")),
        ("", ("", "")),
    ],
)
def test_names_are_parted_into_split_and_rest(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


def test_our_own_metrics() -> None:
    groups = group(OURS)
    assert [found.kind for found in groups[:5]] == ["loss", "norm", "speed", "lr", "memory"]
    loss = groups[0]
    assert [series.metric for series in loss.series] == [
        "train/loss",
        "val/loss",
        "train/loss_epoch",
    ]
    assert [series.label for series in loss.series] == ["train", "val", "train epoch"]
    assert groups[2].key == "perf/samples_per_sec"
    memory = groups[4]
    assert {series.metric for series in memory.series} == {"memory/rss_bytes", "gpu/peak_bytes"}
    assert [series.label for series in memory.series] == ["rss", "peak"]
    # The model's own figures stand before the machine's.
    assert groups[5].title == "bits_per_byte"
    assert [found.section for found in groups[7:]] == ["perf"] * 3
    assert {series.metric for found in groups for series in found.series} == set(OURS)


def test_memory_in_bytes_and_in_gigabytes_has_a_panel_each() -> None:
    names = ("memory/rss_bytes", "gpu/allocated_bytes", "gpu/peak_bytes", "gpu/memory_allocated_gb",
             "gpu/max_memory_allocated_gb", "gpu/memory_reserved_gb", "gpu/utilization", "train/loss",
             "weight_decay", "perf/tokens_per_batch")  # fmt: skip
    groups = group(names)
    assert [found.title for found in groups] == [
        "loss", "memory", "gpu memory", "gpu/utilization", "perf/tokens_per_batch", "weight_decay",
    ]  # fmt: skip
    assert [found.kind for found in groups[1:3]] == ["memory", "memory"]
    assert [series.label for series in groups[1].series] == ["rss", "allocated", "peak"]
    assert [s.label for s in groups[2].series] == ["allocated", "max_allocated", "reserved"]


def test_a_stream_of_other_names() -> None:
    groups = group(["acc", "loss", "eval_loss", "learning_rate", "epoch_time"])
    assert groups[0].kind == "loss"
    assert [(s.metric, s.label) for s in groups[0].series] == [
        ("loss", "train"),
        ("eval_loss", "val"),
    ]
    assert [found.kind for found in groups] == ["loss", "lr", "", ""]


def test_without_a_loss_the_metric_with_a_goal_leads() -> None:
    assert group(["a", "b"], {"b": "max"})[0].series[0].metric == "b"
    assert group(["perf/x_per_sec", "a"])[0].series[0].metric == "a"
    assert group(["gpu/util"])[0].kind == "loss"
    assert group(["train/loss_recon", "train/kl"])[0].title == "loss_recon"
    assert group(["vq/loss", "train/kl"])[0].title == "vq/loss"


def test_nothing_and_odd_names() -> None:
    assert group([]) == ()
    groups = group(["", "/", "a/", "\x1b[31mred\x1b[0m", "[b]x[/b]"])
    assert len(groups) == 5
    assert not any("\x1b" in found.title for found in groups)
    assert all(found.title for found in groups)
    assert sum(found.kind == "loss" for found in groups) == 1
    assert not any(found.kind == "speed" for found in groups)


def test_a_panel_holds_as_many_curves_as_there_are_colours() -> None:
    names = [f"gpu{n}/used_bytes" for n in range(CURVES * 2 + 1)]
    groups = group(["loss", *names])
    assert [len(found.series) for found in groups] == [1, CURVES, CURVES, 1]
    assert len({found.key for found in groups}) == 4
    assert {s.metric for found in groups[1:] for s in found.series} == set(names)


def test_three_hundred_metrics_keep_together_by_prefix() -> None:
    groups = group([f"grp{n % 20}/metric_{n}" for n in range(300)])
    assert len(groups) == 300
    sections = [found.section for found in groups[1:]]
    changes = sum(a != b for a, b in pairwise(sections))
    assert changes == 19
