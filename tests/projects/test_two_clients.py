"""Two browsers on one project: nothing is lost, nothing is doubled, nothing is written over."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from anymask.projects.places import ProjectPlace
from anymask.projects.project import Project
from anymask.server.open_project import OpenProject
from anymask.server.problems import Problem
from anymask.server.schemas.projects import SessionSaveBody
from anymask.structures import rle

CLIENTS = ("anna-0001", "ben-00001")
IMAGES = 2
SIZE = (40, 30)
ACTS = st.tuples(
    st.sampled_from(["load", "release", "take", "add", "add", "add", "change", "change", "delete", "reorder"]),
    st.sampled_from(CLIENTS),
    st.integers(1, IMAGES),
    st.sampled_from([None, 0, 1, 2]),
    st.integers(0, 9),
    st.booleans(),
)


def runs(seed: int) -> dict[str, Any]:
    """Run lengths of a mask that no other seed has."""
    mask = np.zeros((SIZE[1], SIZE[0]), np.bool_)
    mask.reshape(-1)[seed % mask.size] = True
    mask[0, : seed // mask.size + 1] = True
    return dict(rle.encode(mask))


class TwoClients(RuleBasedStateMachine):
    """Each client has a copy of an image's objects, changes it and saves it; the model is what was acknowledged."""

    outcomes: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="two-clients-"))
        for number in range(IMAGES):
            PIL.Image.new("RGB", SIZE, (number, 0, 0)).save(self.folder / f"{number}.png")
        self.ids = itertools.count()
        self.copies: dict[tuple[str, int], dict[str, Any]] = {}
        self.accepted: dict[int, dict[str, tuple[str, int | None]]] = {}
        self.revisions: dict[int, int] = {}
        self.histories: dict[int, Any] = {}
        self.locks: dict[int, str] = {}
        self.open()
        for each in self.opened.project.images.listed():
            self.accepted[each.number], self.revisions[each.number] = {}, 0

    def open(self) -> None:
        """Start a server on the folder."""
        self.opened = OpenProject(Project(ProjectPlace.of(self.folder)), shows_folder=True)
        self.locks.clear()

    @initialize()
    def classes(self) -> None:
        """Three classes."""
        self.merged = {id: self.opened.project.classes.add(name).id for id, name in enumerate("abc")}

    @rule(acts=st.lists(ACTS, min_size=30, max_size=60))
    def work(self, acts: list[tuple[str, str, int, int | None, int, bool]]) -> None:
        """Many acts of both clients, in any order."""
        for act, client, image, class_id, place, whole in acts:
            if act in ("load", "release", "take"):
                getattr(self, act)(client, image)
            else:
                self.save(client, image, act, class_id, place, whole)
            self.nothing_is_lost_doubled_or_changed()

    def load(self, client: str, image: int) -> None:
        """Open an image in a tab."""
        session = self.opened.session_to_json(image, client)
        self.copies[client, image] = {
            "revision": session["revision"],
            "objects": {each["id"]: (each["rle"]["counts"], each["class"]) for each in session["objects"]},
        }

    def save(self, client: str, image: int, act: str, class_id: int | None, place: int, whole: bool) -> None:
        """Do something and save it, as the page does after every act."""
        copy = self.copies.get((client, image))
        if copy is None:
            return self.load(client, image)
        objects = dict(copy["objects"])
        names = sorted(objects)
        touched = names[place % len(names)] if names else None
        if act == "add" or touched is None:
            number = next(self.ids)
            touched = f"{client[:4]}{number}"
            objects[touched] = (runs(number)["counts"], class_id)
        elif act == "change":
            objects[touched] = (objects[touched][0], class_id)
        elif act == "delete":
            del objects[touched]
        else:
            objects = {touched: objects.pop(touched), **objects}
        history = [next(self.ids)]
        body = {
            "client": client, "revision": copy["revision"], "history": history,
            "objects": [
                {"id": id, "class": kind, "rle": {"size": [SIZE[1], SIZE[0]], "counts": counts}}
                if whole or id == touched else {"id": id}
                for id, (counts, kind) in objects.items()
            ],
        }  # fmt: skip
        try:
            saved = self.opened.save(image, SessionSaveBody.model_validate(body))
        except Problem as problem:
            return self.check_refusal(problem, client, image, copy["revision"])
        assert self.locks.get(image, client) == client
        assert saved["revision"] == self.revisions[image] + 1 == copy["revision"] + 1
        self.outcomes["saved"] += 1
        self.locks[image] = client
        self.accepted[image] = {id: (counts, self.meaning(kind)) for id, (counts, kind) in objects.items()}
        if not whole:  # what the client did not send stays as the server has it, whatever its copy says
            stored = {id: self.meaning(kind) for id, (_, kind) in copy["objects"].items()}
            for id in objects:
                if id != touched:
                    self.accepted[image][id] = (objects[id][0], stored[id])
        self.revisions[image], self.histories[image] = saved["revision"], history
        self.copies[client, image] = {"revision": saved["revision"], "objects": objects}
        return None

    def check_refusal(self, problem: Problem, client: str, image: int, revision: int) -> None:
        """A save is refused when somebody else has the image, or has saved it since, and for no other reason."""
        self.outcomes[problem.kind] += 1
        if problem.status_code == 423:
            assert self.locks[image] != client
            return
        assert problem.status_code == 409
        assert revision < self.revisions[image]
        self.locks[image] = client

    def meaning(self, class_id: int | None) -> int | None:
        """The class that a class means after all merges."""
        while class_id is not None and self.merged[class_id] != class_id:
            class_id = self.merged[class_id]
        return class_id

    def release(self, client: str, image: int) -> None:
        """Leave an image."""
        self.opened.release(image, client)
        if self.locks.get(image) == client:
            del self.locks[image]

    def take(self, client: str, image: int) -> None:
        """Take an image from the other one."""
        self.opened.lock(image, client, None, by_force=True)
        self.locks[image] = client

    @rule(id=st.integers(0, 2), into=st.integers(0, 2))
    def merge(self, id: int, into: int) -> None:
        """Merge two classes."""
        if id == into or self.merged[id] != id or self.merged[into] != into:
            return
        self.opened.project.classes.merge(id, into)
        self.merged[id] = into
        for objects in self.accepted.values():
            for name, (counts, kind) in objects.items():
                objects[name] = (counts, self.meaning(kind))

    @rule()
    def restart(self) -> None:
        """Stop the server and start another one."""
        self.opened.close()
        self.open()

    @invariant()
    def nothing_is_lost_doubled_or_changed(self) -> None:
        """What is stored is what was acknowledged last."""
        for image, expected in self.accepted.items():
            session = self.opened.project.sessions.read(image)
            assert [(each.id, (each.rle["counts"], each.class_id)) for each in session.objects] == list(
                expected.items()
            )
            assert session.image.revision == self.revisions[image]
            assert session.history == self.histories.get(image)

    def teardown(self) -> None:
        """Remove the folder."""
        self.opened.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.mark.parametrize("examples", [12, pytest.param(40, marks=pytest.mark.slow)])
def test_two_clients_lose_and_double_nothing(examples: int) -> None:
    """With up to 400 acts in each example."""
    TwoClients.outcomes.clear()
    chosen = settings(
        max_examples=examples, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.reuse, Phase.generate),  # to shrink hundreds of acts would take minutes
    )  # fmt: skip
    run_state_machine_as_test(TwoClients, settings=chosen)
    assert all(TwoClients.outcomes[each] > 5 for each in ("saved", "stale", "locked")), TwoClients.outcomes
