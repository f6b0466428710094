"""Several workers deliver at once: to one subscription one at a time, to different ones side by side."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import pytest
import time_machine

from app import clock
from app.jobs.worker import deliverer_of
from app.notify.channels import Notice
from app.notify.deliver import Deliverer, deliver_due
from app.settings import Settings
from app.tickets.office import Office
from tests.builders import Hotline
from tests.notify.test_channels import say, subscribe
from tests.tickets.test_life import START, at

ROBOT = "http://127.0.0.1:9/robot"


@dataclass(frozen=True)
class Acting(Deliverer):
    """A worker's deliverer that does something instead of sending."""

    act: Callable[[Notice], None] = field(kw_only=True)

    def send(self, notice: Notice) -> None:
        self.act(notice)


Make = Callable[[Callable[[Notice], None]], Acting]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"notice_networks": "127.0.0.0/8"})


@pytest.fixture
def monday(hotline: Hotline) -> Iterator[Hotline]:
    with at(hotline, START):
        yield hotline


@pytest.fixture
def worker(office: Office) -> Iterator[Make]:
    """Makes a worker's deliverer from what it does with a notice."""
    with httpx.Client() as client:
        plain = deliverer_of(office, client)

        def make(act: Callable[[Notice], None]) -> Acting:
            return Acting(plain.settings, plain.sealer, plain.post, plain.at_work, act=act)

        yield make


def test_while_one_worker_sends_to_a_subscription_another_serves_the_others(
    monday: Hotline, office: Office, worker: Make
) -> None:
    first, second = (subscribe(monday, f"{ROBOT}{index}")["id"] for index in range(2))
    for _ in range(2):
        say(office)
    held, go_on, taken = threading.Event(), threading.Event(), list[int | None]()

    def slow(notice: Notice) -> None:
        if notice.subscription == first:
            held.set()
            assert go_on.wait(10)

    thread = threading.Thread(target=deliver_due, args=(office.database, worker(slow)))
    thread.start()
    assert held.wait(10)
    other = worker(lambda notice: taken.append(notice.subscription))
    deliver_due(office.database, other)
    served = list(taken)
    go_on.set()
    thread.join(10)
    assert served == [second, second]
    assert deliver_due(office.database, other) == 0


def test_a_worker_that_dies_holds_its_receiver_up_no_longer_than_its_lease(
    monday: Hotline, office: Office, worker: Make
) -> None:
    subscribe(monday, ROBOT)
    for _ in range(2):
        say(office)

    def dies(_: Notice) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deliver_due(office.database, worker(dies))
    well = worker(lambda _: None)
    assert deliver_due(office.database, well) == 0
    with time_machine.travel(clock.now() + timedelta(seconds=91), tick=False):
        assert deliver_due(office.database, well) == 2


def test_workers_that_claim_at_the_same_moment_do_not_meet_at_one_receiver(
    monday: Hotline, office: Office, worker: Make
) -> None:
    for index in range(2):
        subscribe(monday, f"{ROBOT}{index}")
    for index in range(10):
        say(office, urgent=index % 3 == 0)
    inside, met, sent, ended = Counter[int | None](), list[Notice](), list[int](), threading.Event()
    count = threading.Lock()

    def act(notice: Notice) -> None:
        with count:
            inside[notice.subscription] += 1
            if inside[notice.subscription] > 1:
                met.append(notice)
        time.sleep(0.002)
        with count:
            inside[notice.subscription] -= 1
            sent.append(notice.id)
            if len(sent) >= 20:
                ended.set()

    def work() -> None:
        mine = worker(act)
        while not ended.is_set():
            deliver_due(office.database, mine)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    ended.wait(20)
    ended.set()
    for thread in threads:
        thread.join(20)
    assert (met, len(sent), len(set(sent))) == ([], 20, 20)
