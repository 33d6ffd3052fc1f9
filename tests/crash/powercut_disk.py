# SPDX-License-Identifier: Apache-2.0
"""A small ext4 disk in a file, whose power can be cut: nothing that was not synced survives.

The cut is the file system's own "going down" call without a flush of its log: what is in the page
cache and in the running journal transaction is gone, as when the plug is pulled. It says nothing
about drives that lie about a flush.
"""
import fcntl
import os
import struct
import subprocess
import tempfile
import time

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2


def missing():
    """Why a disk cannot be made here, or None."""
    if os.geteuid() != 0:
        return "power cut needs root (loop devices, mount)"
    for tool in ("/sbin/mkfs.ext4", "/sbin/losetup"):
        if not os.path.exists(tool):
            return f"power cut needs {tool}"
    r = subprocess.run(["/sbin/losetup", "-f"], capture_output=True, text=True)
    if r.returncode:
        return f"power cut needs loop devices: {r.stderr.strip()}"
    try:
        d = Disk(16)
    except subprocess.CalledProcessError as e:
        return f"power cut needs to mount a loop device: {e.stderr!r}"
    d.close()
    return None


class Disk:
    def __init__(self, megabytes=1024):
        self.folder = tempfile.mkdtemp(prefix="mailtest-disk-")
        os.chmod(self.folder, 0o755)
        self.image = os.path.join(self.folder, "image")
        self.path = os.path.join(self.folder, "mount")
        os.mkdir(self.path)
        with open(self.image, "wb") as f:
            f.truncate(megabytes << 20)
        run("/sbin/mkfs.ext4", "-q", "-m", "0", self.image)
        self.mounted = False
        self.mount()

    def mount(self):
        """The file system anew. While somebody else's mount namespace, made while it was mounted
        before, still has the old one, that is what we get, still shut down: wait for its end."""
        for left in range(600, -1, -1):
            run("mount", "-o", "loop", self.image, self.path)
            self.mounted = True
            try:
                os.rmdir(os.mkdir(self.probe) or self.probe)
                return
            except OSError:
                if not left:
                    raise
            self.unmount()
            time.sleep(0.1)

    @property
    def probe(self):
        return os.path.join(self.path, "probe")

    def unmount(self):
        if not self.mounted:
            return
        for left in range(100, -1, -1):  # a process born while the others died sees it and ends
            try:
                run("umount", self.path)
                break
            except subprocess.CalledProcessError:
                if not left:
                    raise
                time.sleep(0.05)
        self.mounted = False

    def copy(self, to):
        """The image as it lies there, holes kept, in place of an earlier one."""
        run("cp", "--sparse=always", self.image, to)

    def cut(self):
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.path], capture_output=True)
            self.mounted = False
        os.unlink(self.image)
        os.rmdir(self.path)
        os.rmdir(self.folder)


def run(*words):
    subprocess.run(words, check=True, capture_output=True)
