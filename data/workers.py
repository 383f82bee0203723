"""Worker threads of a DataLoader: they fetch batches ahead of the training loop and hand them over in order.

Threads and not processes: NumPy, Pillow and file reading release Python's lock, nothing has to be pickled or sent, and
no worker outlives the program. A dataset whose `__getitem__` is pure Python gains nothing from more than one.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..autograd.kernels.cpu.runtime import serial_here

__all__ = ["WorkerInfo", "Workers", "get_worker_info"]


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this is: id, from 0; num_workers; seed, which differs between workers; dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


class _Here(threading.local):
    info: WorkerInfo | None = None


_here = _Here()


def get_worker_info() -> WorkerInfo | None:
    """The worker that runs this code, or None in the main thread.

    >>> import retrograd as rg
    >>> rg.utils.data.get_worker_info() is None
    True
    """
    return _here.info


class _Failure:
    """An exception on its way from a worker to the loop."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _End:
    """Instead of a result: the worker's stream has ended. Instead of a task: the run of the loop has."""


class Workers:
    """Threads with one task queue each and one common queue of results.

    Tasks are dealt out in turn, so which worker fetches which batch does not depend on timing.
    """

    def __init__(
        self,
        dataset: Any,
        count: int,
        seed: int,
        init: Callable[[int], None] | None,
    ) -> None:
        self.count = count
        self._tasks: list[queue.SimpleQueue[Any]] = [queue.SimpleQueue() for _ in range(count)]
        self._threads = [
            threading.Thread(
                target=_work,
                args=(WorkerInfo(i, count, seed + i, dataset), init, self._tasks[i]),
                name=f"retrograd-loader-{i}",
                daemon=True,  # an abandoned loader must not keep the program alive
            )
            for i in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def run(
        self,
        tasks: Iterator[Any],
        make_fetch: Callable[[], Callable[[Any], Any]],
        ahead: int,
        timeout: float,
        in_order: bool,
    ) -> Iterator[Any]:
        """Results of the tasks. make_fetch, called in each worker, returns its fetch function.

        ahead: how many tasks each worker is given before the first result is waited for. A fetch that raises
        StopIteration ends its worker's share; the others go on.
        """
        results: queue.SimpleQueue[tuple[int, int, Any]] = queue.SimpleQueue()
        cancelled = threading.Event()
        alive = set(range(self.count))
        turn = itertools.cycle(range(self.count))
        early: dict[int, tuple[int, Any]] = {}  # results whose turn has not come: number -> (worker, value)
        sent = given = 0

        def send() -> None:
            nonlocal sent
            if not alive:
                return
            task = next(tasks, _End)
            if task is _End:
                return
            worker = next(w for w in turn if w in alive)
            self._tasks[worker].put((make_fetch, results, cancelled, sent, task))
            sent += 1

        try:
            for _ in range(max(1, ahead) * self.count):
                send()
            while given < sent:
                while given not in early:
                    number, worker, value = _get(results, timeout)
                    early[number if in_order else given] = worker, value
                worker, value = early.pop(given)
                given += 1
                if value is _End:
                    alive.discard(worker)
                send()
                if isinstance(value, _Failure):
                    raise value.error
                if value is not _End:
                    yield value
        finally:
            cancelled.set()
            for queue_ in self._tasks:
                queue_.put(_End)

    def close(self) -> None:
        """Let the threads end after the batch they are at."""
        for tasks in self._tasks:
            tasks.put(None)


def _get(results: queue.SimpleQueue[Any], timeout: float) -> Any:
    try:
        return results.get(timeout=timeout or None)
    except queue.Empty:
        raise RuntimeError(
            f"DataLoader timed out after {timeout} seconds waiting for a batch; raise timeout=, or look for a "
            "__getitem__ that blocks"
        ) from None


def _work(info: WorkerInfo, init: Callable[[int], None] | None, tasks: queue.SimpleQueue[Any]) -> None:
    """What a worker thread does until it is told to end."""
    _here.info = info
    serial_here()
    failure: BaseException | None = None
    if init is not None:
        try:
            init(info.id)
        except BaseException as error:
            error.add_note(f"raised by worker_init_fn in DataLoader worker {info.id}")
            failure = error
    run: Any = None  # the results queue stands for one run of the loop
    fetch: Callable[[Any], Any] | None = None
    while (item := tasks.get()) is not None:
        if item is _End:
            run = fetch = None  # an idle worker keeps neither the loader nor a stream alive
            continue
        make_fetch, results, cancelled, number, task = item
        if cancelled.is_set():
            continue
        try:
            if failure is not None:
                raise failure
            if run is not results:
                run, fetch = results, make_fetch()
            value = _End if fetch is None else fetch(task)
        except StopIteration:
            fetch, value = None, _End
        except BaseException as error:  # whatever it is belongs to the loop, which raises it
            if error is not failure:
                error.add_note(f"raised in DataLoader worker {info.id} of {info.num_workers}")
            value = _Failure(error)
        results.put((number, info.id, value))
        del item, make_fetch, results, task, value  # nor a batch
