"""Where panels stand, in which order, and what is remembered of that."""

from __future__ import annotations

import json

import pytest
from textual.geometry import Region

from tui import memory
from tui.screens.monitor.groups import group
from tui.screens.monitor.layout import Layout, page_of, pages, recall, remember

GROUPS = group(["loss", "grad_norm", "lr", "acc", "f1"])


def keys(layout: Layout) -> list[str]:
    return [found.key for found in layout.arranged(GROUPS)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 12, 40, 300])
@pytest.mark.parametrize(
    "size", [(80, 18), (80, 2), (20, 2), (120, 32), (200, 50), (40, 50), (300, 8), (1, 1)]
)
def test_panels_never_overlap_and_none_is_lost(count: int, size: tuple[int, int]) -> None:
    width, height = size
    made = pages(count, width, height)
    assert sum(len(page) for page in made) == count
    for page in made:
        area = 0
        for region in page:
            assert region.area > 0
            assert Region(0, 0, width, height).contains_region(region)
            area += region.area
        for number, region in enumerate(page):
            assert not any(region.overlaps(other) for other in page[number + 1 :])
        assert area == width * height


def test_at_80x24_one_large_panel_and_two_small_ones() -> None:
    large, left, right = pages(9, 80, 18)[0]
    assert (large.width, left.width, right.width) == (80, 40, 40)
    assert large.height > left.height == right.height >= 6


def test_larger_terminals_show_more() -> None:
    assert len(pages(40, 80, 18)[0]) < len(pages(40, 120, 32)[0]) < len(pages(40, 200, 50)[0])
    first = pages(40, 200, 50)[0]
    assert first[0].area == max(region.area for region in first)


def test_no_room_no_panels() -> None:
    assert pages(3, 0, 10) == []
    assert pages(0, 80, 24) == []


def test_page_of_a_panel() -> None:
    made = pages(9, 80, 18)
    assert page_of(0, made) == (0, 0)
    assert page_of(3, made) == (1, 0)


def test_the_main_panel_leads_until_others_are_pinned() -> None:
    lr = next(found for found in GROUPS if found.key == "lr")
    layout = Layout()
    assert keys(layout) == ["loss", "grad_norm", "lr", "acc", "f1"]
    layout = layout.with_pin(lr, GROUPS)
    assert keys(layout) == ["loss", "lr", "grad_norm", "acc", "f1"]
    assert keys(layout.with_pin(GROUPS[0], GROUPS))[0] == "lr"
    assert keys(layout.with_pin(lr, GROUPS)) == keys(Layout())


def test_moving_stays_within_the_pinned_and_the_others() -> None:
    layout = Layout().moved(GROUPS[1], 1, GROUPS)
    assert keys(layout) == ["loss", "lr", "grad_norm", "acc", "f1"]
    assert layout.moved(GROUPS[2], -1, GROUPS) == layout
    assert layout.moved(GROUPS[4], 1, GROUPS) == layout


def test_a_new_metric_finds_its_place_in_a_remembered_order() -> None:
    layout = Layout().moved(GROUPS[4], -1, GROUPS)
    assert keys(layout) == ["loss", "grad_norm", "lr", "f1", "acc"]
    more = group(["loss", "grad_norm", "lr", "acc", "f1", "perf/samples_per_sec"])
    arranged = [found.key for found in layout.arranged(more)]
    assert arranged == ["loss", "grad_norm", "perf/samples_per_sec", "lr", "f1", "acc"]


def test_hidden_panels_are_not_shown() -> None:
    layout = Layout().with_hidden(GROUPS[1])
    assert "grad_norm" not in keys(layout)
    assert keys(layout.with_hidden(GROUPS[1])) == keys(Layout())
    assert keys(layout.with_pin(GROUPS[1], GROUPS))[1] == "grad_norm"


def test_all_is_remembered_for_each_recipe() -> None:
    layout = (
        Layout(x="time", smooth=20)
        .with_log(GROUPS[0])
        .with_hidden(GROUPS[3])
        .with_pin(GROUPS[2], GROUPS)
        .moved(GROUPS[1], 1, GROUPS)
    )
    remember("text", layout)
    assert recall("text") == layout
    assert recall("audio") == Layout()


@pytest.mark.parametrize(
    "found",
    [
        {"pins": 3, "order": [1, None], "hidden": "x", "log": {}, "smooth": True, "x": "date"},
        {"smooth": 7, "x": ["step"], "pins": [{}]},
        {},
    ],
)
def test_a_garbled_memory_is_forgotten(found: dict[str, object]) -> None:
    folder = memory.folder()
    folder.mkdir(parents=True)
    (folder / "monitor-text.json").write_text(json.dumps(found))
    layout = recall("text")
    assert (layout.order, layout.hidden, layout.smooth, layout.x) == ((), frozenset(), 0, "step")
    assert layout.arranged(GROUPS)
