"""Opens the one database file: foreign details of SQLite, numbered migrations, and what is wrong with a file.

Raises DatabaseRefused for what a person has to decide; a damaged file is set aside by ``set_aside``, never deleted.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from datetime import datetime
from importlib import resources
from pathlib import Path
from urllib.parse import quote

from tidegate.journal.mounts import is_network_file_system

Connect = Callable[[Path], sqlite3.Connection]

BUSY_TIMEOUT_S = 5.0
WAL_KEPT_BYTES = 64 * 1024 * 1024
QUICK_CHECK_UP_TO_BYTES = 256 * 1024 * 1024
_COMPANIONS = ("-wal", "-shm", "-journal")
_NO_SHARED_MEMORY = frozenset(
    {
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMMAP,
        sqlite3.SQLITE_IOERR_SHMLOCK,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class DatabaseRefused(Exception):
    """The database cannot be used and must not be replaced; the text is one sentence for the user."""


class DatabaseDamaged(sqlite3.DatabaseError):
    """The file is no sound database."""


# --- Errors as sentences --------------------------------------------------------------------------------------------


def primary_code(error: BaseException) -> int | None:
    """SQLite's own number for what went wrong, without the details; None when SQLite did not say."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def is_damage(error: BaseException) -> bool:
    return isinstance(error, DatabaseDamaged) or primary_code(error) in _DAMAGED


def is_environments_fault(error: BaseException) -> bool:
    """True when the disk, its rights or another program is to blame, so that trying again later makes sense."""
    if isinstance(error, OSError | DatabaseRefused) or is_damage(error):
        return True
    return isinstance(error, sqlite3.OperationalError) and primary_code(error) != sqlite3.SQLITE_ERROR


def describe(error: BaseException, path: Path) -> str:
    """One sentence: what, where, and what helps."""
    name = os.fsencode(path).decode(errors="replace")
    if isinstance(error, DatabaseRefused):
        return str(error)
    match primary_code(error):
        case sqlite3.SQLITE_FULL:
            return f"The disk that holds {name} is full: free some space, and it goes on by itself."
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return f"The database {name} may not be written: make the file and its folder writable for you."
        case sqlite3.SQLITE_CANTOPEN:
            return f"The database {name} cannot be opened: its folder has to exist and be writable for you."
        case sqlite3.SQLITE_IOERR:
            detail = getattr(error, "sqlite_errorname", "SQLITE_IOERR")
            return f"The disk that holds {name} reports an error ({detail}): check the disk and its connection."
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"The database {name} is locked by another program: end that program, and it goes on by itself."
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return f"The database {name} is damaged: restart Tidegate, which sets the file aside and begins a new one."
    if isinstance(error, OSError):
        return f"The database {name} cannot be opened: {error.strerror or error}."
    return f"The database {name} cannot be written: {error}."


# --- Opening --------------------------------------------------------------------------------------------------------


def connect(path: Path) -> sqlite3.Connection:
    """A bare connection for the writer; transactions are begun and ended by hand."""
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def connect_read_only(path: Path, immutable: bool = False) -> sqlite3.Connection:
    """``immutable`` reads without any lock or companion file: only for a file that nobody writes."""
    uri = f"file:{quote(os.fsencode(os.path.abspath(path)))}?mode=ro" + ("&immutable=1" if immutable else "")
    return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def open_for_writing(path: Path, open_connection: Connect = connect, check: bool = False) -> sqlite3.Connection:
    """Create or open the database, migrated to this version's format; ``check`` looks for damage first.

    Raises DatabaseRefused (newer format), or what SQLite says about the disk or the file.
    """
    _create(path)
    unclean = _left_behind(path)
    connection = open_connection(path)
    try:
        check_format(connection, path)
        if check:
            _check_soundness(connection, path, unclean)
        _choose_journal_mode(connection, path)
        connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
        connection.execute("PRAGMA temp_store = MEMORY")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path) -> None:
    """Make the file, readable for its owner alone; SQLite gives its companions the same rights.

    An existing file is never opened here: closing a file drops all locks this process holds on it.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if os.name == "posix" and os.stat(path).st_mode & 0o077:
            os.chmod(path, 0o600)


def _left_behind(path: Path) -> bool:
    """True after an unclean end: in an orderly one the last connection takes the WAL away."""
    try:
        return os.stat(f"{path}-wal").st_size > 0
    except FileNotFoundError:
        return False


def _choose_journal_mode(connection: sqlite3.Connection, path: Path) -> None:
    if not is_network_file_system(path):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) not in _NO_SHARED_MEMORY:
                raise
    connection.execute("PRAGMA journal_mode = DELETE")


def full_sync(connection: sqlite3.Connection) -> str:
    """The value of PRAGMA synchronous by which a commit survives a power cut."""
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    # Without WAL the commit is the deletion of the rollback journal, and its folder has to be synced too.
    return "FULL" if mode == "wal" else "EXTRA"


# --- Format ---------------------------------------------------------------------------------------------------------


def migrations() -> list[tuple[int, str]]:
    """Number and text of every migration, in order."""
    folder = resources.files("tidegate.journal") / "migrations"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((int(entry.name.partition("_")[0]), entry.read_text(encoding="utf-8")) for entry in found)


def newest_format() -> int:
    return migrations()[-1][0]


def format_of(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def check_format(connection: sqlite3.Connection, path: Path) -> None:
    version, newest = format_of(connection), newest_format()
    if version > newest:
        raise DatabaseRefused(
            f"The database {os.fsencode(path).decode(errors='replace')} was written by a newer Tidegate (format "
            f"{version}, this one reads up to {newest}): update Tidegate, or move the file away to begin a new one."
        )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to the newest format, each step in a transaction of its own."""
    for number, script in migrations():
        if number <= format_of(connection):
            continue
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


# --- Damage ---------------------------------------------------------------------------------------------------------


def _check_soundness(connection: sqlite3.Connection, path: Path, unclean: bool) -> None:
    """Raises DatabaseDamaged. The whole file is looked through only after an unclean end, and only when it is small."""
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if unclean and path.stat().st_size <= QUICK_CHECK_UP_TO_BYTES:
        (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            raise DatabaseDamaged(answer)


def set_aside(path: Path, at: float) -> Path:
    """Rename a damaged database and its companions together; the new name of the database."""
    stamp = datetime.fromtimestamp(at).strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 2
    while aside.exists():
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
        number += 1
    os.rename(path, aside)
    for companion in _COMPANIONS:
        if os.path.exists(f"{path}{companion}"):
            os.rename(f"{path}{companion}", f"{aside}{companion}")
    return aside
