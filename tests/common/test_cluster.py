"""Preprocessing and augmenting on two Dask workers of this machine, against the same on its own."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from common import cluster, parallel
from common.errors import InputError
from data.cache import chunks


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """The address of a scheduler with two workers, processes of their own that start elsewhere; and the processes."""
    folder = tmp_path_factory.mktemp("dask")
    address = folder / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen([*command, "--no-dashboard", "--scheduler-file", address], **quiet)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", address, "--nthreads", "1"]
    started += [
        subprocess.Popen([*worker, "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"], **quiet) for _ in range(2)
    ]
    # The scheduler opens its file before it writes into it.
    wait_for(lambda: address.exists() and address.read_text().rstrip().endswith("}"))
    yield json.loads(address.read_text())["address"], started
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


def wait_for(done, seconds=60):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def made(folder: Path) -> dict[str, bytes]:
    """What a cache or an augmented set holds, without the record of how it was made."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if path.suffix in (".npy", ".csv")}


@pytest.fixture(scope="module")
def options(made_set):
    return ["--image_dir", made_set / "images", "--labels_csv", made_set / "labels.csv",
            "--classes_file", made_set / "classes.txt", "--size", 32]  # fmt: skip


@pytest.fixture(scope="module")
def local(options, called, tmp_path_factory):
    """A cache and an augmented set made on this machine, in files of a few images."""
    cache = tmp_path_factory.mktemp("local") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "ROWS_PER_FILE", 7)
        called("preprocess.py", *options, "--cache_dir", cache)
        called("augment.py", "--cache_dir", cache, "--method", "rotate_all", "--copies", 1)
    return cache


def test_a_cluster_makes_the_same_bytes_though_a_worker_is_killed(
    scheduler, options, local, called, tmp_path, monkeypatch
):
    address, (_, _, second) = scheduler
    monkeypatch.setattr(chunks, "ROWS_PER_FILE", 7)
    # Relative paths mean what they mean where the script was started.
    monkeypatch.chdir(tmp_path)
    printed = called("preprocess.py", *options, "--cache_dir", "cache", "--scheduler", address)
    assert f"Cluster {address}: 2 workers on 1 machines" in printed
    assert len(made(local)) > 14 and made(tmp_path / "cache") == made(local)

    # The second worker works no more from its first file on, and never says so.
    partial = tmp_path / "cache" / "augmented"

    def kill_second():
        wait_for(lambda: any(partial.glob(".*.partial/content/images-*.npy")))
        os.kill(second.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_second)
    killer.start()
    called("augment.py", "--cache_dir", "cache", "--method", "rotate_all", "--copies", 1, "--scheduler", address)
    killer.join()
    assert second.wait() == -signal.SIGKILL
    found = made(tmp_path / "cache" / "augmented" / "rotate_all")
    assert len(found) > 9 and found == made(local / "augmented" / "rotate_all")


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        ({"decoders": {"pillow": "1.0"}}, "it has pillow 1.0, this machine 2.0"),
        ({"decoders": {}}, "it has pillow not at all, this machine 2.0"),
        ({"code": "older"}, "it works with another state of the code; restart it"),
        ({"images": None}, "it does not see images"),
        ({"images": 7}, "it sees another images"),
    ],
)
def test_workers_without_the_same_storage_or_decoders_are_refused(
    theirs, words, scheduler, options, called, tmp_path, monkeypatch
):
    here, ours = os.getpid(), {"decoders": {"pillow": "2.0"}, "code": "ours", "images": -1}
    # Sent to the workers by its value, where another process runs it.
    monkeypatch.setattr(cluster, "look", lambda *_: ours if os.getpid() == here else ours | theirs)
    address = scheduler[0]
    told = called("preprocess.py", *options, "--cache_dir", tmp_path / "cache", "--scheduler", address, fails=True)
    assert told.startswith("error: every worker must see the same storage and have the same decoders:")
    assert "worker tcp://127.0.0.1:" in told and words in told
    assert not list(tmp_path.glob("**/*")), "nothing is left behind"


def test_a_worker_that_comes_later_works_in_the_same_folder(scheduler, tmp_path, monkeypatch):
    address = scheduler[0]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny", "--no-dashboard"]
    with cluster.cluster(address, [], tmp_path / "cache"):
        client = parallel.CLUSTER.get()[0]
        before = client.scheduler_info(n_workers=-1)["workers"].keys()
        quiet = {"cwd": tmp_path / "elsewhere", "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        late = subprocess.Popen([*command, "--nthreads", "1", "--host", "127.0.0.1"], **quiet)
        try:
            wait_for(lambda: client.scheduler_info(n_workers=-1)["workers"].keys() - before)
            tasks = [("sleep 0.1; echo $PPID $PWD",)] * 30
            seen = [text.split() for _, text in parallel.in_parallel(subprocess.getoutput, tasks, [1] * 30, 0, "")]
        finally:
            late.kill()
            late.wait()
    assert str(late.pid) in {process for process, _ in seen}
    assert {folder for _, folder in seen} == {str(tmp_path)}


def test_a_task_is_refused_where_pixels_would_be_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wanted = cluster.maker()
    assert cluster.there(str(tmp_path), wanted, sum, [1, 2]) == 3
    with pytest.raises(InputError, match=r"it has pillow .*, this machine 1.0"):
        cluster.there(str(tmp_path), {**wanted, "decoders": {**wanted["decoders"], "pillow": "1.0"}}, sum, [1, 2])
    with pytest.raises(InputError, match=r"worker .*: it works with another state of the code; restart it"):
        cluster.there(str(tmp_path), {**wanted, "code": "other"}, sum, [1, 2])
    with pytest.raises(InputError, match=r"worker .*: it does not see .*gone"):
        cluster.there(str(tmp_path / "gone"), wanted, sum, [1, 2])


def test_what_a_worker_sees(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.csv").write_text("Id,Target")
    seen = cluster.look(str(tmp_path), ["labels.csv", ".", "images"])
    assert [seen[name] for name in ("labels.csv", ".", "images")] == [9, -1, None]
    assert cluster.look(str(tmp_path / "other"), ["labels.csv"])[str(tmp_path / "other")] is None


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere", "tcp://127.0.0.1"])
def test_an_address_where_nothing_answers(address, options, called, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS", 0.5)
    told = called("preprocess.py", *options, "--cache_dir", tmp_path / "cache", "--scheduler", address, fails=True)
    assert told.startswith(f"error: scheduler = {address}: ") and "dask scheduler" in told


def test_the_digest_of_the_code_covers_every_module_that_a_worker_may_run(tmp_path):
    shutil.copy(cluster.ROOT / "header.py", tmp_path)
    for folder in ("common", "data"):
        shutil.copytree(cluster.ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    digest = cluster.code_digest(tmp_path)
    assert digest == cluster.CODE
    modules = sorted(tmp_path.rglob("*.py"))
    assert len({path.parent for path in modules}) > 8
    for path in modules:
        content = path.read_bytes()
        for name in re.findall(rb"^\s*(?:from|import) (\w+)", content, re.MULTILINE):
            top = f"{name.decode()}.py"
            assert (tmp_path / top).exists() or not (cluster.ROOT / top).exists(), f"{path} imports {top}"
        path.write_bytes(content + b"#")
        assert cluster.code_digest(tmp_path) != digest, path
        path.write_bytes(content)
