"""A run on disk: the run that is read, what it says in thresholds.json, and the folder that training writes."""

from run_folder.layout import (
    CHECKPOINT,
    CONFIG,
    FORMAT_VERSION,
    HISTORY,
    LOCK,
    MODEL,
    THRESHOLDS,
    Scores,
    TestFold,
    TrainedOn,
)
from run_folder.run import Run, open_run
from run_folder.scored_run import ScoredRun
from run_folder.writing import (
    check_free,
    create_run,
    finish_run,
    resume_run,
    unfinished_config,
    write_scores,
    write_start,
)

__all__ = [
    "CHECKPOINT",
    "CONFIG",
    "FORMAT_VERSION",
    "HISTORY",
    "LOCK",
    "MODEL",
    "THRESHOLDS",
    "Run",
    "ScoredRun",
    "Scores",
    "TestFold",
    "TrainedOn",
    "check_free",
    "create_run",
    "finish_run",
    "open_run",
    "resume_run",
    "unfinished_config",
    "write_scores",
    "write_start",
]
