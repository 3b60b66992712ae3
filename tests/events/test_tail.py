import threading
import time

import pytest

from trainer.events import EventReader, EventWriter
from trainer.events.tail import Hints, follow


@pytest.mark.parametrize("enabled", [True, False], ids=["hints", "polling"])
def test_following_a_growing_file_gives_every_event(tmp_path, enabled):
    path = tmp_path / "later" / "events.jsonl"

    def work():
        time.sleep(0.1)
        with EventWriter(path, flush_interval=0.02) as writer:
            for step in range(100):
                writer.metrics(step, {"a": 1.0})
                time.sleep(0.001)
            writer.emit("run_finished", status="completed")

    thread = threading.Thread(target=work)
    thread.start()
    seen = []
    deadline = time.monotonic() + 30

    def until(batch):
        if batch is not None:
            seen.extend(batch.events)
        return (bool(seen) and seen[-1]["event"] == "run_finished") or time.monotonic() > deadline

    for _ in follow(EventReader(path), slowest=0.05, quickest=0.01, until=until, hints=enabled):
        pass
    thread.join()
    assert [e["step"] for e in seen if e["event"] == "metrics"] == list(range(100))


def test_hints_name_the_file_that_changed_and_reading_makes_none(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("")
    two.write_text("")
    hints = Hints([str(one), str(two)])
    try:
        if not hints._folders:
            pytest.skip("this system watches no folders")
        two.write_text("changed")
        seen = set()
        deadline = time.monotonic() + 20
        while not seen and time.monotonic() < deadline:
            seen |= hints.wait(1.0)
        assert seen == {str(two)}
        while hints.wait(0.2):
            pass
        one.read_text()
        assert hints.wait(0.2) == set()
        hints.discard(two)
        two.write_text("again")
        assert hints.wait(0.2) == set()
        threading.Timer(0.05, hints.wake).start()
        before = time.monotonic()
        hints.wait(20)
        assert time.monotonic() - before < 10
    finally:
        hints.close()
