"""Kills preprocess.py and augment.py at random operations, starts them again, and says what came of it, as JSON.

Arguments: a folder with images/, labels.csv and classes.txt; a folder to work in; how many kills; a seed.
"""

import json
import random
import shutil
import sys
from functools import partial
from pathlib import Path

import cv2
from forks import MISTAKE, forked, tree

import augment
import header
import preprocess
from common.errors import InputError
from common.files import partial_dir, write_text
from data.cache import chunks
from data.cache.cache import open_cache
from report import dataset_plots


def fast_and_repeatable() -> None:
    """Small chunks, for many operations; pictures are a word; the time and the command are always the same."""
    cv2.setNumThreads(1)
    chunks.ROWS_PER_FILE = 16
    for name in [name for name in dir(dataset_plots) if name.startswith("draw_")]:
        setattr(dataset_plots, name, lambda *given, **named: write_text(_path(given, named), "drawn"))
    record = header.record
    header.record = lambda config: {**record(config), "created": "then", "argv": [], "git_commit": "none"}


def _path(given: tuple, named: dict) -> Path:
    return next(each for each in [*given, *named.values()] if isinstance(each, Path))


class Scenario:
    """A script, `start(**changed)`, that makes the folder `made` out of what `prepare` leaves."""

    def __init__(self, name: str, folder: Path, made: Path, prepare, start) -> None:
        self.name, self.folder, self.made, self.prepare, self.start = name, folder, made, prepare, start
        self.prepare()
        self.before = tree(made)
        end = forked(self.start, folder)
        assert end.status == 0, end.printed
        self.wanted, self.operations = tree(made), end.operations

    def kill(self, drawn: random.Random) -> str:
        """Kill the script once or twice, look at what is there, and let it end; what happened, in a word."""
        self.prepare()
        for _ in range(drawn.randint(1, 2)):
            end = forked(self.start, self.folder, drawn.randint(1, self.operations))
            self.whole_or_refused()
        happened = "killed" if end.killed else "finished before"
        unfinished = partial_dir(self.made) / "fingerprint.json"
        # With --overwrite other settings begin anew.
        if self.name != "overwrite" and unfinished.exists() and not self.is_there() and drawn.random() < 0.5:
            changed = forked(partial(self.start, seed=9), self.folder)
            assert changed.status == MISTAKE and "seed: was 0, is 9" in changed.printed, changed.printed
            happened += ", changed settings refused"
        end = forked(self.start, self.folder)
        assert end.status == 0 or "is a finished" in end.printed, end.printed
        differing = {name for name in {**tree(self.made), **self.wanted}
                     if tree(self.made).get(name) != self.wanted.get(name)}  # fmt: skip
        assert not differing, (self.name, happened, differing)
        return happened

    def is_there(self) -> bool:
        return self.made.is_dir() and tree(self.made) == self.wanted

    def whole_or_refused(self) -> None:
        """What is read as a cache is a whole one."""
        cache = self.folder / "cache"
        try:
            open_cache(cache)
        except InputError:
            return
        if self.made == cache:
            # An augmented set goes over to the cache that replaces its own, a moment before that is in its place.
            whole = [_without_sets(found) for found in (self.before, self.wanted)]
            assert _without_sets(tree(cache)) in whole, f"{self.name}: a cache under construction was opened"


def _without_sets(found: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in found.items() if not name.startswith("augmented")}


def main(given: Path, folder: Path, kills: int, seed: int) -> None:
    fast_and_repeatable()
    cache, kept = folder / "cache", folder / "kept"

    def prepared(**changed) -> None:
        preprocess.main(preprocess.Config(
            image_dir=(given / "images",), labels_csv=(given / "labels.csv",), classes_file=given / "classes.txt",
            cache_dir=cache, size=16, workers=1, **changed,
        ))  # fmt: skip

    def augmented(**changed) -> None:
        augment.main(augment.Config(cache_dir=cache, tag="t", method="rotate_all", copies=1, workers=1, **changed))

    def emptied() -> None:
        for path in (cache, partial_dir(cache)):
            shutil.rmtree(path, ignore_errors=True)

    def brought_back(what: Path) -> None:
        emptied()
        shutil.copytree(what, cache)

    prepared()
    augmented()
    shutil.copytree(cache, kept)
    bare = folder / "bare"
    shutil.copytree(cache, bare, ignore=shutil.ignore_patterns("augmented"))
    scenarios = [
        Scenario("preprocess", folder, cache, emptied, prepared),
        Scenario("augment", folder, cache / "augmented" / "t", partial(brought_back, bare), augmented),
        Scenario("overwrite", folder, cache, partial(brought_back, kept), partial(prepared, overwrite=True)),
    ]
    drawn, happened = random.Random(seed), {}
    for number in range(kills):
        scenario = scenarios[number % len(scenarios)]
        what = f"{scenario.name}: {scenario.kill(drawn)}"
        happened[what] = happened.get(what, 0) + 1
    print(json.dumps({"happened": happened, "operations": {each.name: each.operations for each in scenarios}}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
