"""All that the stored scores of a run say, computed once for what is printed, written and drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.errors import InputError
from common.labels import UNKNOWN
from data.labels.label_forms import SPLITS
from evaluation import levels
from evaluation.decision import decided
from evaluation.figures import EvaluatedSplit, context

if TYPE_CHECKING:
    from run_folder import ScoredRun, Scores

ClassRows = dict[str, list[dict[str, Any]]]
Choices = dict[str, Any]  # choice → a threshold or a `decision.Decision`


@dataclass(frozen=True)
class Evaluation:
    """A run's figures. Choices are what scores are cut at: "0.5", and "tuned" if there are tuned thresholds.

    Attributes:
        run: the run or ensemble.
        thresholds_run: the same with the folder whose thresholds are used.
        split: the one that is evaluated.
        scored: split → its `run_folder.Scores`. parts: split → its `EvaluatedSplit`.
        figures: split → choice → `EvaluatedSplit.figures`.
        classes: split → choice → the rows of `metrics.per_class` with "training_images", the largest class first.
        by_level: split → choice → `levels.level_figures`; nothing without a tree.
        more: `figures.context` of the evaluated split.
        comparisons: `comparison.compare`.
        tuned_on: images of the evaluated split that also chose the thresholds, as val images of other joined runs.
    """

    run: "ScoredRun"
    thresholds_run: "ScoredRun"
    choices: Choices
    split: str
    scored: dict[str, "Scores"]
    parts: dict[str, EvaluatedSplit]
    figures: dict[str, dict[str, dict[str, float]]]
    classes: dict[str, ClassRows]
    by_level: dict[str, dict[str, list[dict[str, Any]]]]
    more: dict[str, Any]
    comparisons: list[dict[str, Any]]
    tuned_on: int

    @property
    def part(self) -> EvaluatedSplit:
        """The labels, scores and predictions of the evaluated split."""
        return self.parts[self.split]

    @property
    def rows(self) -> ClassRows:
        """Choice → the rows of the classes in the evaluated split, the largest class first."""
        return self.classes[self.split]

    @property
    def choice(self) -> str:
        """The thresholds that predictions are made with: tuned, if there are any."""
        return list(self.choices)[-1]

    @property
    def columns(self) -> list[int]:
        """The column of `part` that each of `rows` stands for."""
        positions = {name: index for index, name in enumerate(self.run.class_names)}
        return [positions[row["class"]] for row in self.rows["0.5"]]


def evaluate(
    run: "ScoredRun", thresholds_run: "ScoredRun", choices: Choices, comparisons: Sequence[dict], draws: int, seed: int
) -> Evaluation:
    """Evaluate a run by its stored scores.

    Args:
        run, thresholds_run, choices: as in `Evaluation`.
        comparisons: `comparison.compare`, with other runs.
        draws, seed: of the bootstrap.

    Raises:
        InputError: no scores of known labels are stored, or a score is nan.
    """
    scored = {split: stored for split in run.splits() if ((stored := run.scores(split)).labels != UNKNOWN).any()}
    if not scored:
        raise InputError(f"{run.place}: no scores of images with known labels are stored; train the run again")
    evaluated = next(split for split in reversed(SPLITS) if split in scored)
    tuned_on = tuned_on_evaluated(thresholds_run, evaluated, choices)
    parts, figures, classes, by_level = computed(run, scored, choices)
    more = context(run, parts, classes, evaluated, draws, seed)
    made = parts, figures, classes, by_level, more, list(comparisons)
    return Evaluation(run, thresholds_run, choices, evaluated, scored, *made, tuned_on)


def tuned_on_evaluated(run: "ScoredRun", split: str, choices: dict[str, Any]) -> int:
    """Return how many evaluated images also chose the thresholds, as val images of other joined runs."""
    if split == "val" or "tuned" not in choices or "val" not in run.splits():
        return 0
    if run.thresholds_record().get("method") == "fixed" and not run.thresholds_edited:
        return 0  # which no image chose
    tested, tuned = run.scores(split), run.scores("val")
    seen = set(tuned.ids) | (set() if tuned.hashes is None else set(tuned.hashes) - {""})
    hashes = tested.ids if tested.hashes is None or len(run.members) == 1 else tested.hashes
    return sum(name in seen or digest in seen for name, digest in zip(tested.ids, hashes, strict=True))


def computed(run: "ScoredRun", scored: dict[str, "Scores"], choices: dict[str, Any]) -> tuple[dict, dict, dict, dict]:
    """`parts`, `figures`, `classes` and `by_level` of an `Evaluation`.

    Raises:
        InputError: a score is nan.
    """
    parts, figures, classes, by_level = {}, {}, {}, {}
    training = run.training_counts
    thresholds = {name: decided(cuts).thresholds for name, cuts in choices.items()}
    for split, stored in scored.items():
        nodes = levels.evaluated_nodes(run.tree, stored.labels, stored.scores, choices, stored.groups)
        try:
            rows = nodes.rows(thresholds, run.class_names)
            parts[split] = nodes.columns(slice(run.tree.classes)) if run.tree else nodes
            figures[split] = parts[split].figures()
        except ValueError as error:
            raise InputError(f"{run.place}, {split} scores: {error}; train the run again") from None
        if run.tree:
            by_level[split] = levels.level_figures(run.tree, nodes, rows)
        order = sorted(range(parts[split].labels.shape[1]), key=lambda index: -int(training[index]))
        classes[split] = {
            name: [{"training_images": int(training[index]), **found[index]} for index in order]
            for name, found in rows.items()
        }
    return parts, figures, classes, by_level
