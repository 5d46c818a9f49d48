"""Work on the machines of a Dask cluster in place of this machine's cores.

Scheduler and workers need this project's packages and the same storage as this machine, nothing else: they are told
where the code lies, and work in the folder that the script was started in, so that relative paths mean the same to all.
"""

import hashlib
import os
import site
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import InputError, listing
from common.files import partial_dir
from common.parallel import CLUSTER
from common.versions import decoder_versions

if TYPE_CHECKING:
    from distributed import Client

ROOT = Path(__file__).parents[1]
SECONDS = 20  # to wait for the scheduler, and for its first worker


def code_digest(root: Path) -> str:
    """Return the digest of every module that a task on a worker may run: header.py and all of common/ and data/."""
    sha = hashlib.sha256()
    for path in sorted([root / "header.py", *(root / "common").rglob("*.py"), *(root / "data").rglob("*.py")]):
        sha.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return sha.hexdigest()


# Digest of the code that this process imported. A long-running worker may have an older version.
CODE = code_digest(ROOT)


@contextmanager
def cluster(scheduler: str, reads: Sequence[Path], writes: Path) -> Iterator[None]:
    """Let `common.parallel.in_parallel` inside the block run on a cluster.

    Args:
        scheduler: the address of a Dask scheduler, such as tcp://10.0.0.5:8786; empty for this machine's cores.
        reads: files and folders that every worker has to see.
        writes: the folder that will be made, on storage that all share.

    Raises:
        InputError: dask is not installed, nothing answers at the address, no worker comes, or a worker does not see
            the same files or has other decoders or other code.
    """
    if not scheduler:
        yield
        return
    with _connected(scheduler) as client:
        # The scheduler reads what it hands on. Workers that come later, in place of a lost one, are told as well where
        # the code lies; the rest comes with each task.
        client.run_on_scheduler(site.addsitedir, str(ROOT))
        client.register_worker_callbacks(setup=partial(site.addsitedir, str(ROOT)))
        _check_workers(client, reads, Path(writes))
        workers = client.scheduler_info(n_workers=-1)["workers"]
        hosts = {worker["host"] for worker in workers.values()}
        print(f"Cluster {scheduler}: {len(workers)} workers on {len(hosts)} machines")
        token = CLUSTER.set((client, partial(there, str(Path.cwd()), maker())))
        try:
            yield
        finally:
            CLUSTER.reset(token)


@contextmanager
def _connected(scheduler: str) -> Iterator["Client"]:
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            f"scheduler = {scheduler}: a cluster needs Dask; install it: pip install -r requirements-cluster.txt"
        ) from None
    try:
        client = Client(scheduler, timeout=SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"scheduler = {scheduler}: no Dask scheduler answers there ({' '.join(str(error).split())[:120]}); start "
            "one: dask scheduler"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=SECONDS)
        except TimeoutError:
            raise InputError(
                f"scheduler = {scheduler}: it has no worker; start some: dask worker {scheduler} --nthreads 1"
            ) from None
        yield client


def _check_workers(client: "Client", reads: Sequence[Path], writes: Path) -> None:
    """Refuse workers that would read other files, write elsewhere, or decode other pixels."""
    folder = partial_dir(writes).resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    token = folder / f".shared-storage-{uuid.uuid4().hex}"
    token.write_text("")
    try:
        paths = [token, *(Path(path).resolve() for path in reads)]
        seen = client.run(look, str(Path.cwd()), [str(path) for path in paths])
        wanted = look(str(Path.cwd()), [str(path) for path in paths])
        faults = [
            f"worker {address}: {_difference(found, wanted)}"
            for address, found in sorted(seen.items())
            if found != wanted
        ]
        if faults:
            text = listing("every worker must see the same storage and have the same decoders:", faults)
            raise InputError(text.replace(str(token), str(folder)))
    finally:
        token.unlink(missing_ok=True)


def maker() -> dict[str, Any]:
    """What decides which pixels a worker makes of a file: its decoders' versions and its code."""
    return {"decoders": decoder_versions(), "code": CODE}


def there(folder: str, wanted: dict[str, Any], function: Callable[..., Any], *task: object) -> object:
    """A task on a worker, which may have come when the others had been asked already.

    Args:
        folder: where it works. wanted: of `maker`, on the machine that the script runs on.
        function, task: what is to be done.

    Raises:
        InputError: it does not see the folder, or would make other pixels.
    """
    wanted = {**wanted, folder: -1}
    if (found := look(folder, [])) != wanted:
        raise InputError(f"worker {socket.gethostname()}: {_difference(found, wanted)}")
    return function(*task)


def look(folder: str, paths: list[str]) -> dict[str, Any]:
    """What a worker sees: each path's size (-1 for a folder, None for nothing), and `maker`. It works in `folder` from
    now on."""
    found = maker()
    try:
        os.chdir(folder)
    except OSError:
        found[folder] = None
        return found
    found[folder] = -1
    for path in paths:
        try:
            found[path] = -1 if Path(path).is_dir() else Path(path).stat().st_size
        except OSError:
            found[path] = None
    return found


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The first of what a worker sees otherwise, in words."""
    name = next(name for name in wanted if found.get(name) != wanted[name])
    if name == "decoders":
        pairs = ((package, found[name].get(package), version) for package, version in wanted[name].items())
        package, theirs, ours = next(pair for pair in pairs if pair[1] != pair[2])
        return f"it has {package} {theirs or 'not at all'}, this machine {ours or 'not at all'}"
    if name == "code":
        return "it works with another state of the code; restart it"
    return f"it does not see {name}" if found.get(name) is None else f"it sees another {name}"
