"""The `hotline` command in a process of its own, forked from one that has the program loaded: the seconds of loading are spared.

Standard output and error go to files and come back as text, the exit code as the shell would see it.
"""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.settings import HOME

SECONDS = 120
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.command", "app.cli"])


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


def hotline_command(arguments: tuple[str, ...], environment: Mapping[str, str], typed: str = "") -> Ran:
    """Run a command and return what it printed; `typed` is what stands on its standard input.

    Raises:
        TimeoutError: it did not end.
    """
    with tempfile.TemporaryDirectory(prefix="hotline-command-") as folder:
        streams = [Path(folder, name) for name in ("in", "out", "err")]
        streams[0].write_text(typed, encoding="utf-8")
        process = _context.Process(target=_run, args=(dict(environment), arguments, [str(path) for path in streams]))
        process.start()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(arguments)
        told, complained = (path.read_text(encoding="utf-8") if path.exists() else "" for path in streams[1:])
        return Ran(process.exitcode, told, complained)


def _run(environment: dict[str, str], arguments: tuple[str, ...], streams: list[str]) -> None:
    for number, (path, flags) in enumerate(
        zip(streams, (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT), strict=True)
    ):
        os.dup2(os.open(path, flags, 0o600), number)
    # The forked process's own streams may be closed or another's: new ones on the same three numbers.
    sys.stdin = os.fdopen(0, "r", encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(HOME)
    sys.argv = ["hotline", *arguments]
    from app.cli import main  # noqa: PLC0415  loaded in the server of forks already

    try:
        main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
