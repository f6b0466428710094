"""What a backup says of itself: which program and schema, how many rows, where the chains ended, the file's hash."""

import hashlib
import os
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import func, inspect, select, table
from sqlalchemy.orm import Session

from app import clock, schema
from app.accounts.audit import HEAD
from app.accounts.tables import AccessHead
from app.errors import HotlineError
from app.tickets.audit import ChainHead
from app.tickets.audit_files import Digests
from app.tickets.tables import Ticket

SUFFIX = ".manifest.json"
PROGRAM = "baotou-enterprise-hotline"
ROWS_AT_ONCE = 5000
Backend = Literal["sqlite", "postgresql"]


class BackupError(HotlineError):
    """A backup could not be made, is not what its manifest says, or did not stand the checks once restored."""

    code = "backup-failed"


class Chains(BaseModel):
    """One month's work orders: how many, and a hash over the last links of their chains."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tickets: int
    sha256: str


class Facts(BaseModel):
    """What a database holds at one moment; equal for a database and its copy.

    Attributes:
        tables: rows by table.
        access_seq: place of the last entry of the record of access, with its hash.
        tickets: the work orders' chains, by month (yyyymm).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    revision: str
    tables: dict[str, int]
    access_seq: int
    access_hash: str
    tickets: dict[str, Chains]


class Manifest(BaseModel):
    """The file beside a backup; holds no personal data.

    Attributes:
        program: version of the program that made it.
        size: bytes of the backup file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    program: str
    made_at: datetime
    backend: Backend
    file: str
    size: int
    sha256: str
    facts: Facts


def facts_of(session: Session) -> Facts:
    """Return what a database holds, as one transaction sees it.

    Raises:
        BackupError: the record of access has lost its head.
    """
    connection = session.connection()
    names = sorted(inspect(connection).get_table_names())
    tables = {name: session.scalars(select(func.count()).select_from(table(name))).one() for name in names}
    head = session.get(AccessHead, HEAD)
    if head is None:
        raise BackupError("访问记录的链头缺失，请先执行 hotline audit verify")
    digests = Digests()
    columns = (Ticket.id, Ticket.number, Ticket.month, Ticket.last_seq, Ticket.last_hash)
    statement = select(*columns).order_by(Ticket.id).execution_options(yield_per=ROWS_AT_ONCE)
    for row in session.execute(statement):
        digests.add(ChainHead(*row))
    return Facts(
        revision=schema.revision_of(connection), tables=tables, access_seq=head.seq, access_hash=head.hash,
        tickets={month: Chains.model_validate(told) for month, told in digests.told().items()},
    )  # fmt: skip


def describe(backup: Path, name: str, backend: Backend, facts: Facts) -> Manifest:
    """Return the manifest of a finished backup file that will be called `name`."""
    return Manifest(
        program=version(PROGRAM), made_at=clock.now(), backend=backend, file=name, size=backup.stat().st_size,
        sha256=hash_of(backup), facts=facts,
    )  # fmt: skip


def beside(backup: Path) -> Path:
    """Return where the manifest of a backup lies."""
    return backup.with_name(backup.name + SUFFIX)


def keep(manifest: Manifest, backup: Path) -> None:
    """Write a manifest beside its backup."""
    path = beside(backup)
    path.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    settle(path)


def load(backup: Path) -> Manifest:
    """Return the manifest beside a backup, once the file has been held against it.

    Raises:
        BackupError: file or manifest is missing, or the file is not the one that was written.
    """
    if not backup.is_file():
        raise BackupError(f"没有这个备份文件：{backup}")
    try:
        manifest = Manifest.model_validate_json(beside(backup).read_text(encoding="utf-8"))
    except OSError as error:
        raise BackupError(f"缺少清单 {beside(backup).name}：备份可能没有做完") from error
    except (ValidationError, ValueError) as error:
        raise BackupError(f"清单 {beside(backup).name} 不完整或不是本程序写的") from error
    if backup.stat().st_size != manifest.size or hash_of(backup) != manifest.sha256:
        raise BackupError(f"{backup.name} 与清单的大小或 SHA-256 不符，备份已损坏或被改动，不能恢复")
    return manifest


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def settle(path: Path) -> None:
    """Keep a file from others' eyes and see it onto the disk."""
    path.chmod(0o600)
    with path.open("rb") as file:
        os.fsync(file.fileno())
