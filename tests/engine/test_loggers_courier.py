"""The courier, which carries what is logged out of the step loop."""

from __future__ import annotations

import threading
import time
from collections import deque

from trainer.engine.loggers import courier
from trainer.engine.loggers.courier import Courier, Point


def test_the_courier_keeps_the_order_and_drops_what_fails_for_good():
    got, told = [], []

    def deliver(items: deque) -> None:
        while items:
            if items[0].step == 2:
                raise ValueError("never")
            got.append(items[0].step)
            items.popleft()

    one = Courier("test", deliver, lambda error: False, told.append, told.append)
    for step in range(5):
        one.put(Point({}, step))
    lost = closed(one)
    assert got == [0, 1, 3, 4]
    assert [str(each) for each in told] in (["never", "1"], ["never"])
    assert lost in (0, 1)


def test_the_courier_keeps_the_newest_when_nobody_answers(monkeypatch):
    monkeypatch.setattr(courier, "LIMIT", 3)
    free, got = threading.Event(), []

    def deliver(items: deque) -> None:
        free.wait(60)
        while items:
            got.append(items.popleft().step)

    one = Courier("test", deliver, lambda error: False, lambda error: None, lambda lost: None)
    one.put(Point({}, 0))
    deadline = time.monotonic() + 30
    while one._waiting and time.monotonic() < deadline:
        time.sleep(0.001)
    for step in range(1, 7):
        one.put(Point({}, step))
    free.set()
    closed(one)
    assert got == [0, 4, 5, 6]


def test_the_courier_delivers_one_thing_at_a_time_also_after_its_end_was_not_waited_for():
    free, at_work, most, got = threading.Event(), [0], [0], []

    def deliver(items: deque) -> None:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        free.wait(60)
        while items:
            got.append(items.popleft().step)
        at_work[0] -= 1

    one = Courier("test", deliver, lambda error: False, lambda error: None, lambda lost: None)
    one.put(Point({}, 0))
    now = time.monotonic()
    one.end(now)
    assert one.wait(now) == 1
    one.put(Point({}, 1))
    free.set()
    assert closed(one) == 0
    assert (got, most) == ([0, 1], [1])


def closed(one):
    """End a courier and wait for it."""
    deadline = time.monotonic() + 30
    one.end(deadline)
    return one.wait(deadline)
