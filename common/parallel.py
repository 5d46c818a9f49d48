"""The same work on many pieces in parallel, with progress and time left."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import joblib

from common.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

# The client of the Dask cluster that works in place of this machine's cores, and what calls a function with its
# arguments there; set by `common.cluster.cluster`.
CLUSTER: ContextVar[Any] = ContextVar("cluster", default=None)
LINES = 10  # progress lines in a log file, where a bar cannot move
QUIET_SECONDS = 3  # between two of them


def in_parallel(
    function: Callable[..., Any],
    tasks: list[tuple[Any, ...]],
    sizes: list[int],
    workers: int,
    description: str,
) -> Generator[tuple[int, Any], None, None]:
    """Run a function on each task in worker processes, and show how far it is.

    A caller whose own work on a result may fail closes the generator, which ends the other tasks.

    Args:
        function: importable by a worker; must not pull in what a worker does not need.
        tasks: the arguments of each call.
        sizes: how many images each call deals with.
        workers: processes; 0 for one a core. A single task runs in this process. Inside `common.cluster.cluster` the
            cluster's workers take their place.
        description: what the progress bar says.

    Yields:
        The index of each task and its result, in the order in which they finish.

    Raises:
        InputError: a worker was killed from outside, for want of memory most of the time.
    """
    cluster = CLUSTER.get()
    results = _locally(function, tasks, workers) if cluster is None else _on_cluster(*cluster, function, tasks)
    yield from shown(results, sizes, description)


def _locally(
    function: Callable[..., Any], tasks: list[tuple[Any, ...]], workers: int
) -> Generator[tuple[int, Any], None, None]:
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    processes = 1 if len(tasks) <= 1 else (workers or joblib.cpu_count())
    # The default pre_dispatch keeps the number of tasks and results under way small, whatever the number of tasks.
    parallel = joblib.Parallel(n_jobs=processes, return_as="generator_unordered", batch_size=1)
    try:
        yield from parallel(joblib.delayed(_numbered)(number, function, task) for number, task in enumerate(tasks))
    except TerminatedWorkerError:
        raise InputError(
            "a worker process was killed, most likely for want of memory; give fewer --workers and run again, "
            "what is finished is kept"
        ) from None


def _on_cluster(
    client: "Client", there: Callable[..., Any], function: Callable[..., Any], tasks: list[tuple[Any, ...]]
) -> Generator[tuple[int, Any], None, None]:
    # Not by joblib's Dask backend (1.6.0), which waits for ever where a task fails and results come as a generator.
    from distributed import KilledWorker, as_completed

    # The same call is never taken from an earlier one: what it writes may be gone.
    futures = {client.submit(there, function, *task, pure=False): number for number, task in enumerate(tasks)}
    done = as_completed(futures, loop=client.loop)
    try:
        for future in done:
            number, result = futures.pop(future), future.result()
            future.release()
            yield number, result
    except KilledWorker:
        raise InputError(
            "the same work was lost with several workers of the cluster, most likely for want of memory; start workers "
            "with fewer threads or more memory and run again, what is finished is kept"
        ) from None
    finally:
        # Cancel the unfinished tasks: nobody will read their results.
        client.cancel(list(futures))


def _numbered(number: int, function: Callable[..., Any], task: tuple[Any, ...]) -> tuple[int, Any]:
    return number, function(*task)


def shown(
    results: Generator[tuple[int, Any], None, None], sizes: list[int], description: str
) -> Generator[tuple[int, Any], None, None]:
    """Pass numbered results on with a progress bar on a terminal, and with a line now and then in a log file.

    Closing it closes the results too, so that no thread or process goes on without a reader.
    """
    with closing(results):
        yield from _shown(results, sizes, description)


def _shown(
    results: Generator[tuple[int, Any], None, None], sizes: list[int], description: str
) -> Generator[tuple[int, Any], None, None]:
    total = sum(sizes)
    if sys.stdout.isatty():
        yield from _with_bar(results, sizes, total, description)
        return
    start = spoken = time.monotonic()
    done, told = 0, 0
    for number, result in results:
        yield number, result
        done += sizes[number]
        now = time.monotonic()
        if done == total or (done * LINES // total > told and now - spoken > QUIET_SECONDS):
            told, spoken = done * LINES // total, now
            seconds = now - start
            left = f"about {_duration(seconds / done * (total - done))} left" if done < total else _duration(seconds)
            print(f"{description}: {done:,} of {total:,}, {left}")


def _with_bar(
    results: Generator[tuple[int, Any], None, None], sizes: list[int], total: int, description: str
) -> Generator[tuple[int, Any], None, None]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task(description, total=total)
        for number, result in results:
            yield number, result
            progress.advance(task, sizes[number])


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
