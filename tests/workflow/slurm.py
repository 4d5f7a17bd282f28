"""A SLURM of one machine, of real daemons from Debian's packages, for tests of the profile.

Virtual nodes have two fake GPUs each. Everything lies in a private folder, and what is stopped in
the end are the processes that were started here, by their own ids. SLURM kills a job for its memory
by polling, since control groups are not everywhere.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "mknod")
#: What accounting needs beside these.
DATABASE = ("slurmdbd", "sacctmgr", "mariadbd", "mariadb", "mariadb-install-db")
#: Where daemons are, which the path of a user leaves out.
SBIN = "/usr/sbin"

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
EnforcePartLimits=ALL
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=500
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,batch_sched_delay=0
SlurmdParameters=config_overrides
SlurmctldTimeout=20
SlurmdTimeout=10
MinJobAge=300
FirstJobId={first}
KillWait=5
JobRequeue=0
{accounting}
GresTypes=gpu
"""
ACCOUNTING = """AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge/socket"""
DATABASE_DAEMON = """AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={storage}
StorageUser=slurm
StorageLoc=slurm
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=16 "
    "RealMemory=16000 Gres=gpu:fake:2 State=UNKNOWN"
)


def missing(accounting=False):
    """Why no SLURM can be started here, or none with accounting; empty where one can."""
    if os.getuid() != 0:
        return "SLURM's daemons need root"
    path = f"{os.environ['PATH']}:{SBIN}"
    programs = [*PROGRAMS, *(DATABASE if accounting else ())]
    absent = [name for name in programs if shutil.which(name, path=path) is None]
    return (
        f"no {', '.join(absent)} here (Debian: apt-get install munge slurmctld slurmd slurm-client "
        f"slurm-wlm-basic-plugins{' slurmdbd mariadb-server' if accounting else ''})"
        if absent
        else ""
    )


class Slurm:
    """The cluster: its daemons, and commands of SLURM for them."""

    def __init__(self, folder, nodes, accounting):
        self.folder, self.nodes, self.accounting = Path(folder), nodes, accounting
        self.host = subprocess.check_output(["hostname", "-s"], text=True).strip()
        self.ports = _free_ports(3 + nodes)
        #: What names of nodes and ids of jobs begin with: other clusters may run beside this one,
        #: and processes are told apart by these.
        self.mark = self.ports[0]
        self.processes = {}
        self.environment = {
            "SLURM_CONF": str(self.folder / "etc" / "slurm.conf"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}:{SBIN}",
        }

    def start(self):
        """Start everything and wait until the nodes are idle."""
        self._configure()
        munge = self.folder / "munge"
        key = ["--key-file", munge / "key", "--socket", munge / "socket"]
        files = ["--pid-file", munge / "pid", "--log-file", munge / "log"]
        self._daemon("munged", "--foreground", *key, *files, "--seed-file", munge / "seed")
        self._wait(lambda: (munge / "socket").exists(), "munged")
        if self.accounting:
            self._start_accounting()
        self.start_controller()
        for number in range(1, self.nodes + 1):
            self.start_node(number)
        self.wait_for("idle", self.nodes)

    def start_controller(self):
        """Start the controller, with what it knew if it ran before."""
        self._daemon("slurmctld", "-D", "-i")

    def _start_accounting(self):
        """Start a database of our own, and SLURM's daemon for it, which is to know the cluster."""
        data, port = self.folder / "data", self.ports[-1]
        make = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root"]
        self.command(*make, "--auth-root-authentication-method=normal", "--skip-test-db")
        there = self.folder / "mariadb"
        options = [f"--datadir={data}", f"--socket={there}", "--user=root"]
        options += ["--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve"]
        self._daemon("mariadbd", "--no-defaults", *options)
        self._wait(there.exists, "database")
        user = "slurm@'127.0.0.1'"
        words = f"create database slurm; create user {user}; grant all on slurm.* to {user}"
        self.command("mariadb", "--no-defaults", f"--socket={there}", "--execute", words)
        file = self.folder / "etc" / "slurmdbd.conf"
        ports = {"port": self.ports[-2], "storage": port}
        file.write_text(DATABASE_DAEMON.format(folder=self.folder, **ports))
        file.chmod(0o600)
        self._daemon("slurmdbd", "-D")
        known = ("sacctmgr", "--immediate", "add", "cluster", "test")
        self._wait(lambda: "test" in self.command(*known, check=False), "accounting")

    def start_node(self, number):
        """Start the daemon of a node."""
        self._daemon("slurmd", "-D", "-N", self.node(number), name=self.node(number))

    def node(self, number):
        """Name of a node."""
        return f"n{self.mark}-{number}"

    def kill(self, name, how=signal.SIGKILL):
        """End a daemon: ``slurmctld``, or a node with all that it runs."""
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait()

    def lose_node(self, name):
        """Take a node away with all that runs on it, as if its power had failed."""
        jobs = self.command("squeue", "--noheader", "--format=%A", f"--nodelist={name}").split()
        self.processes.pop(name).kill()
        # Those first that would tell the controller how the others ended.
        steps = tuple(f"slurmstepd: [{job}.".encode() for job in jobs)
        _signal("cmdline", lambda text: bool(steps) and text.startswith(steps))
        mark = f"SLURMD_NODENAME={name}".encode()
        _signal("environ", lambda text: mark in text.split(b"\0"))

    def stop(self):
        """End all jobs, then all daemons."""
        if "slurmctld" in self.processes:
            self.command("scancel", "--user=root", "--full", check=False)
        for name in [*reversed(self.processes)]:
            if name not in ("munged", "mariadbd"):
                self.kill(name, signal.SIGTERM)
        for name in [*reversed(self.processes)]:
            self.kill(name, signal.SIGTERM)

    def command(self, *arguments, check=True):
        """Standard output of a command of SLURM."""
        done = subprocess.run(
            arguments,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=check,
            timeout=60,
        )
        return done.stdout

    def jobs(self, *states):
        """Ids of the jobs in these states (``RUNNING``), the first submitted first; without any of
        all that are known."""
        lines = self.command("squeue", "--noheader", "--states=all", "--format=%i %T").split("\n")
        pairs = [line.split() for line in lines if line]
        return sorted((job for job, state in pairs if not states or state in states), key=int)

    def details(self, job):
        """What `scontrol` says of a job, by key."""
        text = self.command("scontrol", "show", "job", job)
        return dict(item.split("=", 1) for item in text.split() if "=" in item)

    def wait_for(self, state, count, seconds=30.0):
        """Wait until so many nodes are in a state."""
        self._wait(
            lambda: f"{state} {count}" in self.command("sinfo", "-h", "-o", "%T %D", check=False),
            f"{count} nodes that are {state}",
            seconds,
        )

    def _wait(self, ready, what, seconds=30.0):
        start = time.monotonic()
        while not ready():
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended: {self._log(name)}"
            assert time.monotonic() - start < seconds, f"no {what} after {seconds:g} s"
            time.sleep(0.2)

    def _log(self, name):
        files = [self.folder / f"{name}.out", *self.folder.glob(f"*{name}*.log")]
        return "\n".join(file.read_text()[-2000:] for file in files if file.exists())

    def _daemon(self, program, *arguments, name=None):
        name = name or program
        with (self.folder / f"{name}.out").open("a") as out:
            self.processes[name] = subprocess.Popen(
                [program, *map(str, arguments)],
                env=os.environ | self.environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _configure(self):
        for name, mode in {"etc": 0o755, "munge": 0o755, "state": 0o755, "dev": 0o755}.items():
            (self.folder / name).mkdir(mode=mode)
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        for index in range(2):
            os.mknod(self.folder / "dev" / f"nvidia{index}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        accounting = "AccountingStorageType=accounting_storage/none"
        if self.accounting:
            accounting = ACCOUNTING.format(port=self.ports[-2], folder=self.folder)
        names = {"host": self.host, "folder": self.folder, "accounting": accounting}
        names["first"] = 100 * self.mark
        text = CONFIGURATION.format(port=self.ports[0], **names)
        numbers = range(1, self.nodes + 1)
        lines = [
            NODE.format(name=self.node(n), host=self.host, port=self.ports[n]) for n in numbers
        ]
        names = self.node(f"[1-{self.nodes}]")
        lines.append(f"PartitionName=main Nodes={names} Default=YES MaxTime=INFINITE State=UP")
        etc = self.folder / "etc"
        (etc / "slurm.conf").write_text("\n".join([text, *lines, ""]))
        (etc / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        devices = f"File={self.folder}/dev/nvidia[0-1]"
        (etc / "gres.conf").write_text(f"NodeName={names} Name=gpu Type=fake {devices}\n")
        self._shim()

    def _shim(self):
        """An `srun` that finds this cluster: the plugin takes SLURM's variables out of its jobs."""
        real = shutil.which("srun")
        shim = self.folder / "bin" / "srun"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/etc/slurm.conf exec {real} "$@"\n')
        shim.chmod(0o755)


@contextmanager
def cluster(nodes=2, accounting=False):
    """A SLURM that runs within the block, with accounting if asked for."""
    before = os.umask(0o022)
    # Sockets have short names, so not in the folder of the test.
    folder = tempfile.mkdtemp(prefix="slurm-", dir="/tmp")
    Path(folder).chmod(0o755)
    slurm = Slurm(folder, nodes, accounting)
    try:
        slurm.start()
        yield slurm
    finally:
        os.umask(before)
        slurm.stop()
        shutil.rmtree(folder, ignore_errors=True)


def stop_processes(folder, command):
    """Stop the processes of such a command line in this folder, as if they hung."""
    words = command.replace(" ", "\0").encode()
    stopped = _signal("cmdline", lambda text: words in text, signal.SIGSTOP, folder)
    assert stopped, f"no process {command} in {folder}"


def _signal(file, meant, how=signal.SIGKILL, folder=None):
    """Signal the processes of whose file under /proc this is true, those of a folder if given."""
    found = []
    for path in Path("/proc").glob(f"[0-9]*/{file}"):
        try:
            here = folder is None or (path.parent / "cwd").readlink() == folder
            if here and meant(path.read_bytes()):
                os.kill(int(path.parent.name), how)
                found.append(path.parent.name)
        except OSError:  # it ended by itself
            continue
    return found


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
