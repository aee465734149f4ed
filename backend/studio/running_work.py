"""Work of some seconds in a thread, one at a time for each name, that pages look at while it goes on.

For what is all or nothing, so that a kill in the middle loses only the work; what must outlive the app is a process
of its own (`background_process`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from backend.errors import Conflict, PhiDeskError
from backend.i18n import _

T = TypeVar("T")

OnProgress = Callable[[float], None]


class Stopped(PhiDeskError):
    """Somebody asked for it."""


class Running(Generic[T]):
    """`done` is 0..1 as far as the work tells."""

    def __init__(self, action: Callable[[OnProgress], T]) -> None:
        self.done = 0.0
        self._action = action
        self._result: T | None = None
        self._error: BaseException | None = None
        self._is_unwanted = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """It ends when it tells its progress next, and leaves nothing; not waited for."""
        self._is_unwanted = True

    def wait(self, seconds: float | None) -> bool:
        """Whether it is over by then; None waits for as long as it takes."""
        self._thread.join(seconds)
        return self.is_over

    def result(self) -> T:
        """Of work that is over. Raises what the work raised."""
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]

    def _run(self) -> None:
        try:
            self._result = self._action(self._tell)
        except BaseException as error:  # noqa: BLE001  (raised again where the result is asked for)
            self._error = error

    def _tell(self, done: float) -> None:
        """Raises Stopped."""
        self.done = done
        if self._is_unwanted:
            raise Stopped(_("It was stopped. Nothing was changed."), code="stopped")


class RunningWork:
    """What goes on, by name. What is over is forgotten; who began it still holds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Hashable, Running[object]] = {}

    def begin(self, name: Hashable, action: Callable[[OnProgress], T]) -> Running[T]:
        """Raises Conflict while other work of this name goes on."""
        made = Running(action)
        with self._lock:
            if self.get(name) is not None:
                raise Conflict(
                    _("This goes on already, begun here or in another window."),
                    how_to_fix=_("Wait until it is done, then try again."),
                    code="busy",
                )
            self._running = {key: one for key, one in self._running.items() if not one.is_over}
            self._running[name] = made  # type: ignore[assignment]
            made.start()
        return made

    def get(self, name: Hashable) -> Running[object] | None:
        """None where nothing goes on."""
        found = self._running.get(name)
        return found if found is not None and not found.is_over else None
