"""What the processes of a server share about images and jobs: in SQLite on one machine, in PostgreSQL on several."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from anymask.errors import AnymaskError, InputError
from anymask.io.sqlite_file import open_sqlite, sqlite_errors, transaction

DATABASE_FILE = "server.sqlite"
_SCHEMA = """
CREATE TABLE deployment (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE images (
    id TEXT PRIMARY KEY,
    record TEXT NOT NULL,               -- JSON
    used DOUBLE PRECISION NOT NULL,     -- time of the last request about it, seconds since 1970
    stored BIGINT NOT NULL              -- bytes on disk
);
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    image TEXT NOT NULL,
    client TEXT NOT NULL,               -- hash
    owner TEXT NOT NULL,                -- process that runs it
    state TEXT NOT NULL,
    changed DOUBLE PRECISION NOT NULL,  -- seconds since 1970
    record TEXT NOT NULL                -- JSON
);
CREATE INDEX jobs_by_image ON jobs (image);
CREATE TABLE processes (
    id TEXT PRIMARY KEY,
    address TEXT NOT NULL,              -- where the other processes reach it
    alive DOUBLE PRECISION NOT NULL     -- when it last said so, by the clock of the database
);
"""
_SCHEMA_VERSION = 1
_WRITERS = 4_710_815
"""Key of the lock that a transaction in PostgreSQL holds."""
_CONNECT_SECONDS = 5


class UnreachableError(AnymaskError):
    """The database does not respond."""


class SharedDatabase(Protocol):
    """A database of a few small tables. Safe to use from several threads at once.

    Attributes:
        now: SQL of the present time, seconds since 1970, by the clock of the database.
    """

    now: str

    def rows(self, query: str, *values: Any) -> list[Any]:
        """All rows that a query finds; `?` stands for each value."""

    def run(self, statement: str, *values: Any) -> int:
        """Change something; returns the number of rows that changed."""

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """All changes of the block, or none; nobody else writes meanwhile. An inner one joins the outer."""

    def close(self) -> None:
        """Close the connection."""


def open_database(address: str | None, folder: Path) -> SharedDatabase:
    """Open the database of a server; its tables are made if missing.

    Args:
        address: `postgresql://…`; None for a file in the folder.
        folder: of the server.

    Raises:
        InputError: it is damaged, of another version, or no database.
        UnreachableError: it does not respond.
    """
    if address is None:
        return _Sqlite(folder / DATABASE_FILE)
    if not address.startswith(("postgresql://", "postgres://")):
        raise InputError("the database takes an address such as postgresql://user:password@host/name")
    return _Postgresql(address)


def secret_of(database: SharedDatabase) -> str:
    """A secret that only the processes of one deployment know."""
    with database.transaction():
        found = database.rows("SELECT value FROM deployment WHERE name = 'secret'")
        if not found:
            database.run("INSERT INTO deployment VALUES ('secret', ?)", secrets.token_urlsafe(32))
    return str(database.rows("SELECT value FROM deployment WHERE name = 'secret'")[0][0])


class _Sqlite:
    """A file. Readers do not wait for a process that writes."""

    now = "((julianday('now') - 2440587.5) * 86400.0)"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._errors():
            self._base = open_sqlite(path, _SCHEMA, _SCHEMA_VERSION, "use that one, or another --data", shared=True)
            with contextlib.suppress(sqlite3.OperationalError):  # a full disk need not keep a server from reading
                self._base.execute("PRAGMA journal_mode = WAL")
        path.chmod(0o600)

    def rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock, self._errors():
            return self._base.execute(query, values).fetchall()

    def run(self, statement: str, *values: Any) -> int:
        with self._lock, self._errors():
            return self._base.execute(statement, values).rowcount

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock, self._errors():
            if self._base.in_transaction:
                yield
                return
            with transaction(self._base):
                yield

    def close(self) -> None:
        with self._lock:
            self._base.close()

    def _errors(self) -> contextlib.AbstractContextManager[None]:
        return sqlite_errors(self._path, "database")


class _Postgresql:
    """A connection to PostgreSQL, made again when it broke."""

    now = "extract(epoch FROM clock_timestamp())::double precision"

    def __init__(self, address: str) -> None:
        try:
            import psycopg
        except ModuleNotFoundError:
            raise InputError("PostgreSQL needs psycopg: pip install 'anymask[postgresql]'") from None
        self._psycopg = psycopg
        self._address = address
        self._lock = threading.RLock()
        self._is_writing = False
        self._connection = self._connect()
        with self.transaction():
            if self.rows("SELECT to_regclass('deployment')")[0][0] is None:
                self._connection.execute(_SCHEMA)
                self.run("INSERT INTO deployment VALUES ('version', ?)", str(_SCHEMA_VERSION))
            found = self.rows("SELECT value FROM deployment WHERE name = 'version'")
            if found != [(str(_SCHEMA_VERSION),)]:
                raise InputError("the database was made by another version of anymask: use that one, or another one")

    def _connect(self) -> Any:
        options = f"-c statement_timeout={20_000} -c lock_timeout={20_000}"
        try:
            return self._psycopg.connect(
                self._address, autocommit=True, connect_timeout=_CONNECT_SECONDS, options=options
            )
        except self._psycopg.Error as error:
            raise self._unreachable(error) from None

    def rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            found: list[Any] = self._execute(query, values, lambda cursor: cursor.fetchall())
            return found

    def run(self, statement: str, *values: Any) -> int:
        with self._lock:
            changed: int = self._execute(statement, values, lambda cursor: cursor.rowcount)
            return changed

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            if self._is_writing:
                yield
                return
            self._execute("SELECT 1", (), lambda _: None)  # a connection that broke is made again
            self._is_writing = True
            try:
                with self._connection.transaction():
                    self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITERS,))
                    yield
            except self._psycopg.Error as error:
                raise self._unreachable(error) from error
            finally:
                self._is_writing = False

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _execute(self, query: str, values: tuple[Any, ...], read: Callable[[Any], Any]) -> Any:
        query = query.replace("?", "%s")
        try:
            if self._connection.closed and not self._is_writing:
                self._connection = self._connect()
            return read(self._connection.execute(query, values or None))
        except self._psycopg.OperationalError as error:
            if self._is_writing or not self._connection.closed:
                raise self._unreachable(error) from None
            self._connection = self._connect()
            return read(self._connection.execute(query, values or None))
        except self._psycopg.Error as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> UnreachableError:
        reason = " ".join(str(error).split()) or type(error).__name__
        return UnreachableError(f"the database does not respond: {reason}")
