"""The thresholds.json of a run or an ensemble, which people may edit by hand."""

import reprlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import InputError
from common.files import read_json, write_json
from evaluation.decision import Decision
from run_folder.layout import THRESHOLDS, digest
from thresholding.scale import NEVER

if TYPE_CHECKING:
    from run_folder.run import Run


class WithThresholds:
    """The thresholds of a run or an ensemble."""

    thresholds_dir: Path  # the folder of thresholds.json
    class_names: list[str]  # K names
    name: str  # the name in reports
    members: "list[Run]"  # the R runs that thresholds are chosen for; a run is its only member

    @property
    def run_digests(self) -> list[dict[str, str]]:
        """For each member its name, "run", and a "digest" of its config."""
        return [{"run": run.name, "digest": digest(run.config)} for run in self.members]

    @property
    def thresholds_path(self) -> Path:
        return self.thresholds_dir / THRESHOLDS

    @property
    def has_thresholds(self) -> bool:
        return self.thresholds_path.exists()

    def thresholds(self) -> np.ndarray:
        """The tuned thresholds, (K,) float64, in the order of the classes.

        Raises:
            InputError: thresholds.json is missing, is of other runs that were joined, names other classes, or holds
                something else than numbers 0 to 1.
        """
        path = self.thresholds_path
        if others := self.thresholds_of_others:
            why = "which were trained again since" if others == self.name else f"not of {self.name}"
            raise InputError(f"{path} holds the thresholds of {others}, {why}; run thresholds.py on these runs")
        stored = read_json(path)
        values = stored.get("thresholds") if isinstance(stored, dict) else None
        if not isinstance(values, dict) or set(values) != set(self.class_names):
            raise InputError(
                f"{path}: it must hold one threshold for each of the run's classes; run thresholds.py again"
            )
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= NEVER:
                raise InputError(
                    f"{path}, class {name}: {reprlib.repr(value)} is not a threshold; it must be a number from 0 to 1"
                )
        return np.array([values[name] for name in self.class_names], dtype=np.float64)

    def decision(self) -> Decision:
        """How classes are predicted: `thresholds`, and whether at least one is.

        Raises:
            InputError: as for `thresholds`, or thresholds.json says something else than yes or no.
        """
        thresholds = self.thresholds()
        at_least_one = self.thresholds_record().get("at_least_one", False)
        if not isinstance(at_least_one, bool):
            said = reprlib.repr(at_least_one)
            raise InputError(f"{self.thresholds_path}: at_least_one is {said}; it must be true or false")
        return Decision(thresholds, at_least_one)

    def decision_if_any(self, required: bool) -> Decision | None:
        """Return `decision`; None if there is no thresholds.json and it is not required."""
        return self.decision() if required or self.has_thresholds else None

    def save_thresholds(
        self, thresholds: np.ndarray, method: str, details: dict[str, Any], at_least_one: bool = False
    ) -> Path:
        """Write thresholds.json: (K,) thresholds by class name, the rest of the decision, the method, and what else is
        worth keeping."""
        named = dict(zip(self.class_names, map(float, thresholds), strict=True))
        decided = {"thresholds": named, "at_least_one": at_least_one}
        made = {"method": method, **decided, "digest": _decision_digest(decided)}
        write_json(self.thresholds_path, {**made, "runs": self.run_digests, **details})
        return self.thresholds_path

    @property
    def thresholds_of_others(self) -> str:
        """The names of the runs that thresholds.json is for, if they are not these; else nothing."""
        runs = self.thresholds_record().get("runs")
        if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
            return ""
        digests = sorted(str(run.get("digest")) for run in runs)
        ours = sorted(each["digest"] for each in self.run_digests)
        return "" if digests == ours else " + ".join(str(run.get("run")) for run in runs)

    @property
    def thresholds_edited(self) -> bool:
        """Whether thresholds.json is there and does not hold what `save_thresholds` wrote."""
        stored = self.thresholds_record()
        return self.has_thresholds and (not stored or stored.get("digest") != _decision_digest(stored))

    def thresholds_record(self) -> dict[str, Any]:
        """All that thresholds.json holds; nothing where it is missing or damaged."""
        try:
            stored = read_json(self.thresholds_path)
        except InputError:
            return {}
        return stored if isinstance(stored, dict) else {}


def _decision_digest(stored: dict[str, Any]) -> str:
    """A digest of what a person may edit in thresholds.json; without at_least_one, that of the thresholds alone."""
    thresholds, at_least_one = stored.get("thresholds"), stored.get("at_least_one", False)
    try:
        return digest([thresholds, at_least_one] if at_least_one is not False else thresholds)
    except RecursionError:
        return ""  # nested far deeper than what was written
