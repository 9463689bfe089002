"""Keys of a team: made, used, limited, shared with, expired and revoked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from anymask.cli import main
from anymask.errors import InputError
from anymask.server.keys import KEYS_FILE, KeyStore, parse_expiry
from tests.server.test_lifetime import flat
from tests.support.running_servers import Application, bring

TOKEN = "a-token-of-this-test"


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "data")


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


class person:
    """Another client of the same application, with a key, at the same address."""

    def __init__(self, api: TestClient, secret: str) -> None:
        self._api, self._headers = api, bearer(secret)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return partial(self._api.request, method.upper(), headers=self._headers)


def test_no_key_is_stored_and_only_the_owner_reads_the_file(store: KeyStore, tmp_path: Path) -> None:
    secret = store.add("maria", "annotate")
    path = tmp_path / "data" / KEYS_FILE
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(json.loads(path.read_text())[0]["digest"]) == 64


def test_keys_are_made_listed_and_revoked_on_the_command_line(tmp_path: Path, capsys: Any) -> None:
    data = ["--data", str(tmp_path)]
    assert main(["serve", "keys", *data, "add", "maria", "--role", "read", "--expires", "30d"]) == 0
    secret = capsys.readouterr().out.strip()
    key = KeyStore(tmp_path).find(secret)
    assert key is not None
    assert (key.name, key.role) == ("maria", "read")
    assert main(["serve", *data, "keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert "maria" in listed
    assert "expires 20" in listed
    assert secret not in listed
    assert main(["serve", "keys", *data, "add", "maria"]) == 2
    assert "a key 'maria' already exists" in capsys.readouterr().err
    assert main(["serve", "keys", *data, "revoke", "maria"]) == 0
    assert KeyStore(tmp_path).find(secret) is None
    assert main(["serve", "keys", *data, "revoke", "maria"]) == 2
    assert main(["serve", "keys", *data, "add", "a b"]) == 2
    assert main(["serve", "keys", *data, "add", "ann", "--expires", "soon"]) == 2
    assert "2027-01-31, not 'soon'" in capsys.readouterr().err


def test_expiry_is_a_duration_or_the_end_of_a_day() -> None:
    assert parse_expiry("12h") == pytest.approx(time.time() + 12 * 3600, abs=5)
    assert parse_expiry("2w") == pytest.approx(time.time() + 14 * 24 * 3600, abs=5)
    assert parse_expiry("1970-01-01") == 24 * 3600
    for text in ("", "-1d", "tomorrow", "2027-13-01"):
        with pytest.raises(InputError):
            parse_expiry(text)


def test_a_damaged_file_of_keys_lets_nobody_in(store: KeyStore, tmp_path: Path) -> None:
    store.add("maria", "annotate")
    (tmp_path / "data" / KEYS_FILE).write_text("[{")
    with pytest.raises(InputError, match="restore the file"):
        KeyStore(tmp_path / "data")


def test_with_keys_nobody_gets_in_without_one_and_the_token_still_opens(
    store: KeyStore, application: Application
) -> None:
    secret = store.add("maria", "annotate")
    api = application(token=TOKEN)
    assert api.get("/v1/models").status_code == 401
    for headers in (bearer(secret), bearer(TOKEN), {"Token": secret}):
        assert api.get("/v1/models", headers=headers).status_code == 200
    assert api.get("/v1/models", headers=bearer(secret[:-1])).status_code == 401
    store.revoke("maria")
    time.sleep(1.1)
    assert api.get("/v1/models", headers=bearer(secret)).status_code == 401


def test_keys_alone_guard_a_server_of_this_machine_and_an_expired_one_opens_nothing(
    store: KeyStore, application: Application
) -> None:
    secret = store.add("maria", "annotate", time.time() + 1.0)
    api = application()
    assert api.get("/v1/models").status_code == 401
    assert api.get("/v1/models", headers=bearer(secret)).status_code == 200
    time.sleep(1.1)
    assert api.get("/v1/models", headers=bearer(secret)).status_code == 401


def test_a_browser_exchanges_a_key_for_a_cookie_that_ends_with_it(store: KeyStore, application: Application) -> None:
    secret = store.add("maria", "annotate")
    api = application(token=TOKEN)
    assert api.post("/v1/session", json={"token": "x"}).status_code == 401
    assert api.post("/v1/session", json={"token": secret}).status_code == 204
    (cookie,) = api.cookies.jar
    assert cookie.value
    assert secret not in cookie.value
    assert api.get("/v1/models").status_code == 200
    store.revoke("maria")
    time.sleep(1.1)
    assert api.get("/v1/models").status_code == 401


def test_each_key_sees_its_own_images_and_jobs(store: KeyStore, application: Application) -> None:
    api = application(token=TOKEN)
    ann, bob = (person(api, store.add(name, "annotate")) for name in ("ann", "bob"))
    eve = person(api, store.add("eve", "admin"))
    time.sleep(1.1)  # the server looks for new keys each second
    id = bring(ann, flat(1)).json()["id"]
    job = ann.post(f"/v1/images/{id}/everything", json={"points_per_side": 1}).json()["job"]
    prompt = {"prompts": [{"points": [[3, 3]]}]}
    for path in (f"/v1/images/{id}", f"/v1/images/{id}/picture", f"/v1/jobs/{job}", f"/v1/jobs/{job}/events"):
        assert bob.get(path).status_code == 404, path
        assert eve.get(path).status_code == 200, path
    assert bob.post(f"/v1/images/{id}/segment", json=prompt).status_code == 404
    assert bob.delete(f"/v1/images/{id}").status_code == 404
    assert ann.post(f"/v1/images/{id}/segment", json=prompt).status_code == 200
    assert api.get(f"/v1/images/{id}", headers=bearer(TOKEN)).status_code == 200
    assert bring(bob, flat(1)).json()["id"] == id
    assert bob.get(f"/v1/images/{id}").status_code == 200


def test_roles_limit_what_a_key_may_do(store: KeyStore, application: Application) -> None:
    reader, annotator, admin = (store.add(role, role) for role in ("read", "annotate", "admin"))
    api = application()
    assert bring(person(api, reader), flat(1)).status_code == 403
    assert person(api, reader).get("/v1/models").status_code == 200
    assert bring(person(api, annotator), flat(1)).status_code == 201
    assert person(api, annotator).get("/metrics").status_code == 403
    assert person(api, admin).get("/metrics").status_code == 200


def test_limits_count_for_each_key_and_not_for_the_address(store: KeyStore, application: Application) -> None:
    ann, bob = (store.add(name, "annotate") for name in ("ann", "bob"))
    api = application(images_per_client=1)
    assert bring(person(api, ann), flat(1)).status_code == 201
    assert bring(person(api, ann), flat(2)).status_code == 429
    assert bring(person(api, bob), flat(2)).status_code == 201


def test_a_project_is_seen_by_who_made_it_and_whom_it_is_shared_with(
    store: KeyStore, application: Application, coffee_path: Path
) -> None:
    ann, bob, reader = (store.add(*each) for each in (("ann", "annotate"), ("bob", "annotate"), ("reader", "read")))
    api = application()
    owner, other, looker = (person(api, secret) for secret in (ann, bob, reader))
    project = owner.post("/v1/projects", json={"name": "cups"}).json()["id"]
    base = f"/v1/projects/{project}"
    assert owner.post(f"{base}/images", files={"file": ("a.jpg", coffee_path.read_bytes())}).status_code == 201
    assert other.get("/v1/projects").json()["projects"] == []
    assert other.get(base).status_code == 404
    assert other.get(f"{base}/images").status_code == 404
    assert other.put(f"{base}/keys/bob").status_code == 404
    assert owner.put(f"{base}/keys/nobody").status_code == 404
    assert [owner.put(f"{base}/keys/{name}").status_code for name in ("bob", "reader")] == [204, 204]
    assert owner.get(f"{base}/keys").json() == {"keys": ["ann", "bob", "reader"]}
    assert [each["id"] for each in other.get("/v1/projects").json()["projects"]] == [project]
    assert looker.get(f"{base}/images").status_code == 200
    assert looker.patch(base, json={"name": "mugs"}).status_code == 403
    number = other.get(f"{base}/images").json()["images"][0]["number"]
    opened = other.post(f"{base}/images/{number}/open", json={"client": "c" * 22})
    assert opened.status_code == 200, opened.text
    prompt = {"prompts": [{"points": [[110, 300]]}]}
    assert other.post(f"/v1/images/{opened.json()['image']['id']}/segment", json=prompt).status_code == 200
    assert owner.delete(f"{base}/keys/bob").status_code == 204
    assert other.get(base).status_code == 404
