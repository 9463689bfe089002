"""Who does which photo, with workers that die when they are told to."""

from __future__ import annotations

from collections.abc import Iterable

from anymask.batch.scheduler import MAX_DEATHS, Death, dispatch
from anymask.batch.tasks import Outcome, Task


class FakeCrew:
    """Workers that finish one photo per look, and die whenever they have one of the deadly photos in hand."""

    def __init__(self, workers: int, in_flight: int, deadly: Iterable[str] = ()) -> None:
        self.workers, self.in_flight, self.deadly = workers, in_flight, set(deadly)
        self.hands: list[list[Task]] = [[] for _ in range(workers)]
        self.given: list[str] = []
        self.most = 0
        self.replaced = 0
        self.stopped = False
        self.company_of_suspects: list[int] = []

    def give(self, worker: int, task: Task) -> None:
        self.hands[worker].append(task)
        self.given.append(task.key)
        self.most = max(self.most, sum(map(len, self.hands)))
        if any(each.deaths for each in self.hands[worker]):
            self.company_of_suspects.append(len(self.hands[worker]) - 1)

    def news(self, seconds: float) -> list[tuple[int, Outcome | Death]]:
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


def test_every_photo_is_done_once_and_none_is_read_before_there_is_room() -> None:
    crew, told, read = FakeCrew(3, 2), [], []

    def source() -> Iterable[Task]:
        for task in tasks(20):
            read.append(task.key)
            assert len(read) <= len(told) + 6
            yield task

    dispatch(crew, iter(source()), lambda outcome: told.append(outcome.key) or True)  # type: ignore[func-returns-value]
    assert sorted(told, key=int) == [task.key for task in tasks(20)]
    assert crew.given == [task.key for task in tasks(20)]
    assert (crew.most, crew.stopped) == (6, True)


def test_a_photo_that_kills_every_worker_fails_alone() -> None:
    crew = FakeCrew(2, 3, deadly=["4", "11"])
    told: dict[str, Outcome] = {}

    def tell(outcome: Outcome) -> bool:
        assert outcome.key not in told
        told[outcome.key] = outcome
        return True

    dispatch(crew, iter(tasks(20)), tell)
    assert len(told) == 20
    assert {key for key, outcome in told.items() if outcome.state == "failed"} == {"4", "11"}
    assert f"{MAX_DEATHS} workers died over this photo" in told["4"].error
    assert crew.replaced == 2 * MAX_DEATHS
    assert set(crew.company_of_suspects) == {0}


def test_the_run_ends_when_it_is_told_to() -> None:
    crew, told = FakeCrew(2, 2), []
    dispatch(crew, iter(tasks(20)), lambda outcome: (told.append(outcome), len(told) < 3)[1])
    assert len(told) == 3
    assert crew.stopped
