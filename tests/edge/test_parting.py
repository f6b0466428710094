"""A server that is asked to stop: nobody it has let in goes without an answer, and it does not wait for the silent."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from app.edge.parting import LAST_WORD_SECONDS, PartingProtocol, PartingServer
from app.main import create_app
from app.tickets.office import Office

ASK = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
LAST = b"\r\nconnection: close\r\n"


class Serving:
    """A server of the whole application in this process, whose loop turns only while something is awaited."""

    def __init__(self, office: Office) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        config = uvicorn.Config(create_app(office), http=PartingProtocol, log_config=None, timeout_graceful_shutdown=15)
        config.load()
        self.server = PartingServer(config)
        self.server.lifespan = config.lifespan_class(config)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=10)

    async def stop(self) -> float:
        """Stop; how many seconds it took."""
        begun = time.monotonic()
        await self.server.shutdown([self.listener])
        return time.monotonic() - begun


@asynccontextmanager
async def serving(office: Office) -> AsyncIterator[Serving]:
    found = Serving(office)
    await found.server.startup([found.listener])
    yield found


async def answered(connection: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    reader, writer = await asyncio.open_connection(sock=connection)
    found = await reader.read()
    writer.close()
    return found.lower()


def test_who_stands_in_the_queue_when_the_door_closes_is_answered(office: Office) -> None:
    async def scene() -> bytes:
        async with serving(office) as found:
            queued = found.connect()
            queued.sendall(ASK)
            # Nothing is awaited between, so that the loop has not looked at its door.
            stopping = asyncio.create_task(found.stop())
            answer = await answered(queued)
            await stopping
            return answer

    answer = asyncio.run(scene())
    assert answer.startswith(b"http/1.1 200")
    assert LAST in answer


def test_a_request_on_its_way_is_answered_and_told_that_it_was_the_last(office: Office) -> None:
    async def scene() -> list[bytes]:
        async with serving(office) as found:
            fresh, used = found.connect(), found.connect()
            used.sendall(ASK)
            reader, writer = await asyncio.open_connection(sock=used)
            first = await reader.readuntil(b"}")
            stopping = asyncio.create_task(found.stop())
            await asyncio.sleep(0)
            fresh.sendall(ASK)
            writer.write(ASK)
            answers = [first.lower(), await answered(fresh), (await reader.read()).lower()]
            await stopping
            writer.close()
            return answers

    first, *last = asyncio.run(scene())
    assert first.startswith(b"http/1.1 200")
    assert LAST not in first
    for answer in last:
        assert answer.startswith(b"http/1.1 200")
        assert LAST in answer


def test_who_says_nothing_is_left_after_a_second(office: Office) -> None:
    async def scene() -> tuple[bytes, bytes, float]:
        async with serving(office) as found:
            silent, halfway = found.connect(), found.connect()
            halfway.sendall(ASK[:20])
            # One of them is known to the server when it stops, the other stands in the queue.
            await asyncio.sleep(0.05)
            late = found.connect()
            stopping = asyncio.create_task(found.stop())
            heard = [await answered(each) for each in (silent, halfway, late)]
            return heard[0], heard[1] + heard[2], await stopping

    *heard, seconds = asyncio.run(scene())
    assert heard == [b"", b""]
    assert LAST_WORD_SECONDS <= seconds < LAST_WORD_SECONDS + 10
