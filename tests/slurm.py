"""A cluster of one node on this machine: munged, slurmctld and slurmd of a folder, for a test."""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")

# Nothing that a container, or a kernel without control groups, would not let it do.
_CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,batch_sched_delay=0,sched_min_interval=100000,bf_interval=2
MpiDefault=none
ReturnToService=2
KillWait=5
MinJobAge=3600
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={mebibytes} State=UNKNOWN
PartitionName=batch Nodes={host} Default=YES State=UP
"""


def missing() -> list[str]:
    """Which of the daemons are not installed."""
    where = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"
    return [name for name in (*DAEMONS, "sbatch") if shutil.which(name, path=where) is None]


class Cluster:
    """What runs, and the commands that are given to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self.environment = dict(os.environ, SLURM_CONF=f"{folder}/slurm.conf")
        self.environment["PATH"] += ":/usr/sbin:/usr/local/sbin"

    def start(self) -> None:
        """Configure and start the three daemons, until the node is ready for jobs."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        host = socket.gethostname().split(".")[0]
        controller, node = _free_ports(2)
        (self.folder / "slurm.conf").write_text(
            _CONFIGURATION.format(
                folder=self.folder,
                host=host,
                controller=controller,
                node=node,
                user=getpass.getuser(),
                cores=os.cpu_count(),
                mebibytes=_mebibytes(),
            )
        )
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        munged = ["munged", "--foreground", "--force", f"--key-file={key}"]
        munged += [f"--{name}-file={self.folder}/munge.{name}" for name in ("log", "pid", "seed")]
        self._daemon([*munged, f"--socket={self.folder}/munge.socket"])
        _until((self.folder / "munge.socket").exists, "munged")
        self._daemon(["slurmctld", "-D"])
        self._daemon(["slurmd", "-D", "-N", host])
        _until(lambda: "idle" in self.command("sinfo", "-h", "-o", "%T", check=False), "the node")

    def _daemon(self, command: list[str]) -> None:
        with (self.folder / f"{command[0]}.out").open("wb") as log:
            started = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self._running.append(started)

    def stop(self) -> None:
        """End the jobs, then the daemons."""
        self.command(
            "scancel", "--full", "--signal=KILL", f"--user={getpass.getuser()}", check=False
        )
        for process in reversed(self._running):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

    def command(self, *command: str, check: bool = True, cwd: Path | None = None) -> str:
        """What a command prints."""
        done = subprocess.run(
            command, env=self.environment, cwd=cwd, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout.strip()

    def state(self, job: str) -> str:
        """COMPLETED, RUNNING, PENDING, ... and how often it was queued again."""
        shown = self.command("scontrol", "show", "job", job)
        words = dict(word.split("=", 1) for word in shown.split() if "=" in word)
        return f"{words['JobState']} {words['Restarts']}"


def _mebibytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 - 100


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _until(ready: object, what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not ready():  # type: ignore[operator]
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not start in {seconds:.0f} s")
        time.sleep(0.1)


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A running cluster, stopped afterwards."""
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
