"""What the streamer gives up before it decodes the first byte of a camera: a decoder that is taken over finds little.

Linux only, and as far as the kernel goes: each measure that can't be had is told and left out. Landlock binds the
calling thread and those it starts, so this is called before any is started. docs/hostile-media.md says what it holds.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38  # linux/prctl.h
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
VERSION, PATH_BENEATH = 1, 1  # linux/landlock.h
EXECUTE, WRITE_FILE = 1 << 0, 1 << 1
# remove a folder or a file, make a character device, folder, file, socket, pipe, block device or link
CHANGE = sum(1 << bit for bit in range(4, 13))
BY_ABI = {2: 1 << 13, 3: 1 << 14}  # link or rename between folders; truncate
WRITABLE = "/dev"  # webcams are opened for writing, and so is /dev/null

BASE_MB, CAMERA_MB = 1024, 384  # what a streamer needs at most: one 4K H.264 decoder holds 17 frames of 12 MB


def memory_mb(wanted: int | None, cameras: int) -> int:
    """The limit of a streamer's memory, MB; 0: none. `wanted` None: by the number of its cameras."""
    return BASE_MB + CAMERA_MB * max(1, cameras) if wanted is None else wanted


def confine(limit_mb: int, cores: int | None = None) -> list[str]:
    """Give it up, for good; what could not be, in words. `limit_mb` of memory, 0: as much as there is; `cores` of the
    processor, None: all there are.
    """
    if sys.platform != "linux":
        return ["resource limits and Landlock: this is not Linux"]
    libc = ctypes.CDLL(None, use_errno=True)
    failed = []
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file holds faces and passwords
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):  # the limit alone does not keep them from a collector of core dumps
        failed.append(f"no core dumps: {_why()}")
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        failed.append(f"no new privileges: {_why()}")
    if limit_mb:
        try:
            resource.setrlimit(resource.RLIMIT_DATA, (limit_mb << 20, limit_mb << 20))
        except (OSError, ValueError) as error:
            failed.append(f"memory limit: {error}")
    if cores is not None:  # as Landlock: of this thread, and of all that it starts
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    if why := _landlock(libc):
        failed.append(f"no file writes, no programs (Landlock): {why}")
    return failed


def _landlock(libc: ctypes.CDLL) -> str:
    """Forbid changing files, but for devices, and running programs; why not, or nothing."""
    abi: int = libc.syscall(CREATE_RULESET, None, 0, VERSION)
    if abi < 1:
        return _why()
    handled = EXECUTE | WRITE_FILE | CHANGE | sum(bits for since, bits in BY_ABI.items() if abi >= since)
    rules = struct.pack("=Q", handled)
    ruleset: int = libc.syscall(CREATE_RULESET, rules, len(rules), 0)
    if ruleset < 0:
        return _why()
    try:
        devices = os.open(WRITABLE, os.O_PATH | os.O_CLOEXEC)
        try:
            if libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", WRITE_FILE, devices), 0):
                return _why()
        finally:
            os.close(devices)
        return _why() if libc.syscall(RESTRICT_SELF, ruleset, 0) else ""
    finally:
        os.close(ruleset)


def _why() -> str:
    return os.strerror(ctypes.get_errno())
