"""Data may tell, while they are prepared, what takes its time."""

from __future__ import annotations

from trainer.engine.data import EngineData


class Talkative:
    say = None

    def train_dataset(self):
        return [1, 2]

    def prepare(self):
        self.say("made 2 numbers")


class Silent:
    def train_dataset(self):
        return [1, 2]


def test_what_data_say_becomes_a_line_of_the_log():
    said = []
    data = EngineData(Talkative(), {}, seed=0)
    data.say_through(lambda level, message: said.append((level, message)))
    data.prepare_data()
    assert said == [("info", "made 2 numbers")]


def test_data_that_say_nothing_are_left_as_they_are():
    silent = Silent()
    EngineData(silent, {}, seed=0).say_through(print)
    assert not hasattr(silent, "say")
