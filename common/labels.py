"""The value of a label that is not known, in every array of labels."""

UNKNOWN = 255
