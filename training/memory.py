"""How the C library's allocator keeps memory."""

import ctypes
import platform

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
    library = ctypes.CDLL(None)
    settings = ((MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1), (ARENA_MAX, 1))
    return all([library.mallopt(parameter, value) for parameter, value in settings])
