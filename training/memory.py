"""How the C library's allocator keeps memory."""

import ctypes
import platform
from pathlib import Path

MMAP_MAX, TRIM_THRESHOLD, ARENA_MAX = -4, -1, -8  # mallopt's parameters, see mallopt(3)


def keep_freed_memory() -> bool:
    """Let the allocator keep what a training step frees, so that the next step need not ask the kernel for it again.

    On a CPU, TensorFlow frees and asks for hundreds of megabytes each step; glibc gives such blocks back at once, and
    each page of them has to be mapped and cleared anew. It changes speed alone. Call it before TensorFlow is imported.

    Returns:
        Whether the settings took; False without glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    set_option = ctypes.CDLL(None).mallopt
    answers = [set_option(MMAP_MAX, 0), set_option(TRIM_THRESHOLD, 2**31 - 1), set_option(ARENA_MAX, 1)]
    return all(answers)


def available() -> int:
    """Bytes of memory that are free or can be freed, 0 where the system does not tell."""
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as file:
            fields = dict(line.split(":") for line in file)
    except OSError:
        return 0
    return int(fields["MemAvailable"].split()[0]) * 1024
