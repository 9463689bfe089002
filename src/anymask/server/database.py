"""What the processes of a server share about images and jobs: in SQLite on one machine, in PostgreSQL on several."""

from __future__ import annotations

import contextlib
import getpass
import re
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from anymask.errors import AnymaskError, InputError
from anymask.io.sqlite_file import SqliteFile

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
_SOCKET_SECONDS, _STATEMENT_SECONDS = 10, 8
_ENCRYPTION = {"disable": False, "prefer": None, "require": True}
"""What the driver takes for each `sslmode`."""


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


class _Sqlite(SqliteFile):
    """A file. Readers do not wait for a process that writes."""

    now = "((julianday('now') - 2440587.5) * 86400.0)"

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        super().__init__(path, "database", _SCHEMA, _SCHEMA_VERSION, "use that one, or another --data")
        with self._errors(), contextlib.suppress(sqlite3.OperationalError):  # a full disk need not keep it from reading
            self._base.execute("PRAGMA journal_mode = WAL")
        path.chmod(0o600)


class _Postgresql:
    """A connection to PostgreSQL, made again when it broke."""

    now = "extract(epoch FROM clock_timestamp())::double precision"

    def __init__(self, address: str) -> None:
        try:
            import pg8000.dbapi
        except ModuleNotFoundError:
            raise InputError("PostgreSQL needs pg8000: pip install 'anymask[postgresql]'") from None
        self._driver = pg8000.dbapi
        self._arguments = _arguments_of(address)
        self._lock = threading.RLock()
        self._is_writing = False
        self._connection: Any = None
        with self.transaction():
            if self.rows("SELECT to_regclass('deployment')")[0][0] is None:
                for statement in re.sub(r"--.*", "", _SCHEMA).split(";"):
                    if statement.strip():
                        self.run(statement)
                self.run("INSERT INTO deployment VALUES ('version', ?)", str(_SCHEMA_VERSION))
            found = self.rows("SELECT value FROM deployment WHERE name = 'version'")
            if not found or found[0][0] != str(_SCHEMA_VERSION):
                raise InputError(
                    "the database was made by another version of anymask: use that version, or another database"
                )

    def rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return list(self._execute(query, values).fetchall())

    def run(self, statement: str, *values: Any) -> int:
        with self._lock:
            return int(self._execute(statement, values).rowcount)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            if self._is_writing:
                yield
                return
            self._execute("BEGIN", ())
            self._is_writing = True
            try:
                self._execute("SELECT pg_advisory_xact_lock(?)", (_WRITERS,))
                yield
                self._execute("COMMIT", ())
            except BaseException:
                with contextlib.suppress(UnreachableError):
                    self._execute("ROLLBACK", ())
                raise
            finally:
                self._is_writing = False

    def close(self) -> None:
        with self._lock:
            self._drop_connection()

    def _execute(self, query: str, values: tuple[Any, ...]) -> Any:
        try:
            return self._try(query, values)
        except (self._driver.InterfaceError, OSError) as error:
            self._drop_connection()
            if self._is_writing:
                raise _unreachable(error) from error
        except self._driver.Error as error:
            raise _unreachable(error) from error
        try:
            return self._try(query, values)  # the connection broke while nobody used it
        except (self._driver.Error, OSError) as error:
            self._drop_connection()
            raise _unreachable(error) from error

    def _try(self, query: str, values: tuple[Any, ...]) -> Any:
        if self._connection is None:
            if self._is_writing:
                raise self._driver.InterfaceError("the connection broke during a transaction")
            self._connection = self._driver.connect(**self._arguments)
            self._connection.autocommit = True
        cursor = self._connection.cursor()
        cursor.execute(query.replace("?", "%s"), values)
        return cursor

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(self._driver.Error, OSError):
                self._connection.close()
        self._connection = None


def _arguments_of(address: str) -> dict[str, Any]:
    """What the driver takes for an address, which may have `?host=/folder/of/the/socket` and `sslmode=require`.

    Raises:
        InputError: it is none.
    """
    try:
        parts = urlsplit(address)
        port = parts.port or 5432
    except ValueError as error:
        raise InputError(f"the address of the database is not valid: {error}") from None
    options = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or parts.hostname or "localhost"
    encryption = options.pop("sslmode", "prefer")
    name = unquote(parts.path.strip("/"))
    if options or not name or encryption not in _ENCRYPTION:
        raise InputError(
            "the database takes an address such as postgresql://user:password@host/name, with host=/folder of a socket "
            f"and sslmode={'|'.join(_ENCRYPTION)} after a ? if need be"
        )
    place = {"unix_sock": f"{host}/.s.PGSQL.{port}"} if host.startswith("/") else {"host": host, "port": port}
    waits = f"-c statement_timeout={_STATEMENT_SECONDS * 1000} -c lock_timeout={_STATEMENT_SECONDS * 1000}"
    return {
        **place,
        "user": unquote(parts.username or "") or getpass.getuser(),
        "password": unquote(parts.password) if parts.password else None,
        "database": name,
        "timeout": _SOCKET_SECONDS,
        "ssl_context": _ENCRYPTION[encryption],
        "startup_params": {"options": waits},
    }


def _unreachable(error: Exception) -> UnreachableError:
    about = error.args[0] if error.args else type(error).__name__
    reason = about.get("M", about) if isinstance(about, dict) else about
    return UnreachableError(f"the database does not respond: {reason}")
