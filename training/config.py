"""The type of the header of train.py, for annotations. No package may import a script at run time."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from train import Config as Config
else:
    Config = Any
