"""Leaving without dropping anyone: what a stopping process owes the connections it has already let in."""

import asyncio
import socket
from contextlib import suppress

import h11
import uvicorn
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState
from uvicorn.supervisors import Multiprocess, multiprocess

LAST_WORD_SECONDS = 1.0
"""How long a stopping process waits for a request on a connection that has none open."""


class PartingState(ServerState):
    """What a server's connections know of it: also whether it is about to stop."""

    leaving = False


class PartingProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 connection, except for what it does when the process is asked to stop.

    uvicorn closes at once every connection on which no request is open. A client whose request is then on its way gets an
    end of stream for an answer and cannot know whether its ticket was taken (RFC 9112 §9.3.1 lets it repeat only what is
    idempotent). Such a connection is left open for :data:`LAST_WORD_SECONDS` more; the request that comes is answered, and
    an answer not yet begun says ``Connection: close`` (§9.6).
    """

    server_state: PartingState
    _last_word: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin; who was let in just before the door closed has one request too."""
        super().connection_made(transport)
        if self.server_state.leaving:
            self.shutdown()

    def shutdown(self) -> None:
        """Finish the open request; without one, wait a moment for the request that may be under way."""
        if self._is_open():
            self._make_last()
        elif self._last_word is None:
            self._unset_keepalive_if_required()
            self._last_word = self.loop.call_later(LAST_WORD_SECONDS, self._hang_up)

    def handle_events(self) -> None:
        """Take what has arrived; a request that begins while the process stops is the connection's last."""
        super().handle_events()
        if self._last_word is not None and self._is_open():
            self._make_last()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and the wait for its last request."""
        if self._last_word is not None:
            self._last_word.cancel()
        super().connection_lost(exc)

    def _is_open(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _make_last(self) -> None:
        if self.cycle.keep_alive:
            self.cycle.keep_alive = False
            self.cycle.default_headers = [*self.cycle.default_headers, CLOSE_HEADER]

    def _hang_up(self) -> None:
        if not self._is_open() and not self.transport.is_closing():
            self.conn.send(h11.ConnectionClosed())
            self.transport.close()


class PartingServer(uvicorn.Server):
    """uvicorn's server, except that it takes in whoever stands in the queue before it closes the door.

    Closing a listening socket resets every connection in its queue, though its client believes itself connected. Who comes
    in the microseconds between the last look at the queue and the close is still reset; only a socket that others hold
    open too (several processes) has no such moment.
    """

    server_state: PartingState

    def __init__(self, config: uvicorn.Config) -> None:
        """Serve as configured; the configuration must name :class:`PartingProtocol`."""
        super().__init__(config)
        self.server_state = PartingState()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, take in what stands in the queue, then finish as uvicorn does."""
        self.server_state.leaving = True
        loop = asyncio.get_running_loop()
        waiting: list[socket.socket] = []
        for server in self.servers:
            # Of its own number, so that the queue lives on while asyncio closes its end and no longer watches it.
            with suppress(OSError):
                doors = [listener.dup() for listener in server.sockets]
                server.close()
                for door in doors:
                    waiting += _queue_of(door, self.config.backlog)
                    door.close()
        await asyncio.gather(
            *(loop.connect_accepted_socket(self._make_protocol, connection) for connection in waiting),
            return_exceptions=True,
        )
        await super().shutdown(sockets)

    def _make_protocol(self) -> asyncio.Protocol:
        return PartingProtocol(self.config, self.server_state, self.lifespan.state)


def _queue_of(door: socket.socket, most: int) -> list[socket.socket]:
    """Accept who waits, and no more than a full queue: clients that never cease to come must not keep the door open."""
    door.setblocking(False)
    found: list[socket.socket] = []
    with suppress(OSError):
        while len(found) < most:
            found.append(door.accept()[0])
    return found


class PartingProcess(multiprocess.Process):
    """One of several processes, with a :class:`PartingServer` in it."""

    @property
    def server(self) -> uvicorn.Server:
        """The server of this process, made when it is first asked for."""
        if self._server is None:
            self._server = PartingServer(self.config)
        return self._server


class PartingProcesses(Multiprocess):
    """uvicorn's keeper of several processes, except that it stops listening itself before it tells them to stop.

    It holds the shared socket open, and with it the queue: whoever came while the processes finish would wait for nobody.
    A replacement of its processes one by one (SIGHUP) keeps the socket open.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        """Keep as many processes as configured on the given sockets."""
        super().__init__(config, sockets)
        # It looks the class of its processes up there, and offers no other way to name one.
        multiprocess.Process = PartingProcess  # type: ignore[misc]

    def terminate_all(self) -> None:
        """Close the door, then tell every process to stop."""
        for door in self.sockets:
            door.close()
        super().terminate_all()
