"""A hard end to one sending: whatever the receiver does, its connection is shut after so many seconds.

Time-outs of sockets are for one read each, so a receiver that sends a byte now and then could hold a worker for hours.
"""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Any, Self

SECONDS = 10.0


class Deadline:
    """Shuts the connection it watches once the time is over.

    Attributes:
        over: whether the time has run out.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self.over = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def watch(self, connection: socket.socket | None) -> None:
        """Name the connection to shut; a later one takes the place of an earlier."""
        with self._lock:
            self._socket = connection
            if self.over:
                self._shut()

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Watch the connection an HTTP request opens (the `trace` extension of httpx)."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self.watch(info["return_value"].get_extra_info("socket"))

    def _end(self) -> None:
        with self._lock:
            self.over = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            # It may have been closed from the other side a moment ago.
            with contextlib.suppress(OSError):
                # Not by the methods of a TLS connection, which another thread is reading.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
