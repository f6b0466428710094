"""Leaving without dropping anyone: what a stopping process owes the connections it has already accepted."""

import asyncio
import socket
from contextlib import suppress

import h11
import uvicorn
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.supervisors import Multiprocess

LAST_WORD_SECONDS = 1.0
"""How long a stopping process waits for a request on a connection that has none open."""

HAND_OVER_SECONDS = 0.05
"""How long asyncio is given to hand over what it has accepted; it does so in the next turns of its loop."""


class PartingProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 connection, except for what it does when the process is asked to stop.

    uvicorn closes at once every connection on which no request is open. A client whose request is then on its way gets an
    end of stream for an answer and cannot know whether its ticket was taken (RFC 9112 §9.5 leaves it to guess). Such a
    connection is left open for :data:`LAST_WORD_SECONDS` more; the request that comes is answered, and the answer says
    ``Connection: close`` (§9.6).
    """

    _last_word: asyncio.TimerHandle | None = None

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
    """uvicorn's server, except that it takes in whoever the system has already let through the door before it closes it.

    Closing a listening socket resets every connection in its queue, though its client believes itself connected.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, take in what stands in the queue, then finish as uvicorn does."""
        loop = asyncio.get_running_loop()
        waiting: list[socket.socket] = []
        for server in self.servers:
            # Of its own number, so that the queue lives on while asyncio closes its end and no longer watches it.
            doors = [listener.dup() for listener in server.sockets]
            server.close()
            for door in doors:
                door.setblocking(False)
                waiting += _queue_of(door, self.config.backlog)
                door.close()
        for known in list(self.server_state.connections):
            known.shutdown()
        await asyncio.gather(*(loop.connect_accepted_socket(self._make_protocol, connection) for connection in waiting))
        await asyncio.sleep(HAND_OVER_SECONDS)
        await super().shutdown(sockets)

    def _make_protocol(self) -> asyncio.Protocol:
        return PartingProtocol(self.config, self.server_state, self.lifespan.state)


def _queue_of(door: socket.socket, most: int) -> list[socket.socket]:
    found: list[socket.socket] = []
    with suppress(BlockingIOError):
        # No more than a full queue: clients that never cease to come must not keep the door open.
        while len(found) < most:
            found.append(door.accept()[0])
    return found


class PartingProcesses(Multiprocess):
    """uvicorn's keeper of several processes, except that it stops listening itself before it stops them.

    It holds the shared socket open, and with it the queue: whoever came while the processes finish would wait for nobody.
    A restart of its processes (SIGHUP) keeps the socket, and loses none.
    """

    def terminate_all(self) -> None:
        """Close the door, then ask every process to stop."""
        for door in self.sockets:
            door.close()
        super().terminate_all()
