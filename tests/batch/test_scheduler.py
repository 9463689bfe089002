"""Which worker processes which image, with workers that die on some images."""

from __future__ import annotations

from collections.abc import Iterable

from anymask.batch.scheduler import MAX_DEATHS, Death, dispatch
from anymask.batch.tasks import Outcome, Task


class FakeBackend:
    """Workers that finish one image per poll, and die whenever they hold one of the deadly images."""

    def __init__(self, workers: int, in_flight: int, deadly: Iterable[str] = ()) -> None:
        self.workers, self.in_flight, self.deadly = workers, in_flight, set(deadly)
        self.hands: list[list[Task]] = [[] for _ in range(workers)]
        self.submitted: list[str] = []
        self.most = 0
        self.replaced = 0
        self.stopped = False
        self.other_images_of_suspects: list[int] = []

    def submit(self, worker: int, task: Task) -> None:
        self.hands[worker].append(task)
        self.submitted.append(task.key)
        self.most = max(self.most, sum(map(len, self.hands)))
        if any(each.deaths for each in self.hands[worker]):
            self.other_images_of_suspects.append(len(self.hands[worker]) - 1)

    def poll(self, seconds: float) -> list[tuple[int, Outcome | Death]]:
        for number, hand in enumerate(self.hands):
            if self.deadly & {task.key for task in hand}:
                hand.clear()
                return [(number, Death("of it"))]
        number = max(range(self.workers), key=lambda each: len(self.hands[each]))
        return [(number, Outcome(self.hands[number].pop(0).key, "done"))]

    def replace(self, worker: int) -> None:
        self.replaced += 1

    def stop(self) -> None:
        self.stopped = True


def tasks(count: int) -> list[Task]:
    return [Task(str(number), f"{number}.jpg") for number in range(count)]


def test_every_image_is_processed_once_and_none_is_read_before_there_is_room() -> None:
    backend, recorded, read = FakeBackend(3, 2), [], []

    def source() -> Iterable[Task]:
        for task in tasks(20):
            read.append(task.key)
            assert len(read) <= len(recorded) + 6
            yield task

    dispatch(backend, iter(source()), lambda outcome: recorded.append(outcome.key) or True)  # type: ignore[func-returns-value]
    assert sorted(recorded, key=int) == [task.key for task in tasks(20)]
    assert backend.submitted == [task.key for task in tasks(20)]
    assert (backend.most, backend.stopped) == (6, True)


def test_an_image_that_kills_every_worker_fails_alone() -> None:
    backend = FakeBackend(2, 3, deadly=["4", "11"])
    recorded: dict[str, Outcome] = {}

    def record(outcome: Outcome) -> bool:
        assert outcome.key not in recorded
        recorded[outcome.key] = outcome
        return True

    dispatch(backend, iter(tasks(20)), record)
    assert len(recorded) == 20
    assert {key for key, outcome in recorded.items() if outcome.state == "failed"} == {"4", "11"}
    assert f"{MAX_DEATHS} workers died while they processed this image" in recorded["4"].error
    assert backend.replaced == 2 * MAX_DEATHS
    assert set(backend.other_images_of_suspects) == {0}


def test_the_run_ends_when_the_callback_returns_false() -> None:
    backend, recorded = FakeBackend(2, 2), []
    dispatch(backend, iter(tasks(20)), lambda outcome: (recorded.append(outcome), len(recorded) < 3)[1])
    assert len(recorded) == 3
    assert backend.stopped
