"""Counts for the rate limits, in this process: fixed windows in one dictionary, swept once in a while."""

import time

from limits.storage import Storage

SWEEP_SECONDS = 60.0


class Windows(Storage):
    """A store of fixed windows.

    The library's own store in memory starts a thread for nearly every request, which costs more than the request's checks.
    Used on the event loop only, so nothing is locked.
    """

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, float]] = {}
        self._sweep_at = 0.0

    @property
    def base_exceptions(self) -> type[Exception]:
        """What the store itself could fail with: nothing."""
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count in a window, which begins with its first count and ends `expiry` seconds later; returns the count."""
        now = time.time()
        if now >= self._sweep_at:
            self._counts = {name: found for name, found in self._counts.items() if found[1] > now}
            self._sweep_at = now + SWEEP_SECONDS
        count, ends = self._counts.get(key, (0, 0.0))
        count, ends = (count + amount, ends) if ends > now else (amount, now + expiry)
        self._counts[key] = count, ends
        return count

    def get(self, key: str) -> int:
        """Return how many were counted in the window that runs."""
        count, ends = self._counts.get(key, (0, 0.0))
        return count if ends > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """Return when the window ends, in seconds since 1970; now where none runs."""
        return max(self._counts.get(key, (0, 0.0))[1], time.time())

    def check(self) -> bool:
        """Whether the store works: always."""
        return True

    def reset(self) -> int:
        """Forget every window; returns how many there were."""
        known = len(self._counts)
        self._counts.clear()
        return known

    def clear(self, key: str) -> None:
        """Forget one window."""
        self._counts.pop(key, None)
