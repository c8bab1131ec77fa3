"""Facts about hosts of many kinds, each a made `/proc` and `/sys`."""

import json
from pathlib import Path

import pytest

from kinowatt.lab.host import host, memory
from kinowatt.units import GIB

CPU = """processor\t: {n}
model name\t: AMD EPYC 9554 64-Core Processor
physical id\t: {socket}
core id\t\t: {core}
flags\t\t: fpu sse2{extra}
"""


class Root:
    """A made file system; a path is written with everything above it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, path: str, text: str = "") -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def cpus(self, *pairs: tuple[int, int], extra: str = "") -> None:
        blocks = [CPU.format(n=n, socket=s, core=c, extra=extra) for n, (s, c) in enumerate(pairs)]
        self.write("proc/cpuinfo", "\n".join(blocks))

    def memory(self, gib: float) -> None:
        self.write("proc/meminfo", f"MemTotal:       {round(gib * 2**20)} kB\nMemFree: 1 kB\n")


@pytest.fixture
def root(tmp_path: Path) -> Root:
    found = Root(tmp_path)
    found.memory(256)
    return found


def test_two_sockets_with_hyperthreads(root: Root) -> None:
    root.cpus((0, 0), (0, 1), (1, 0), (1, 1), (0, 0), (0, 1), (1, 0), (1, 1))
    found = host(root.folder)
    assert (found.sockets, found.physical_cores) == (2, 4)
    assert found.cpu_model == "AMD EPYC 9554 64-Core Processor"
    assert (found.virtualised, found.hypervisor, found.container) == (False, None, None)


def test_an_arm_cpu_tells_less(root: Root) -> None:
    root.write("proc/cpuinfo", "processor\t: 0\nCPU part\t: 0xd4f\n")
    found = host(root.folder)
    assert (found.sockets, found.physical_cores, found.cpu_model) == (None, None, None)
    assert found.virtualised is None


def test_the_cpu_tells_that_a_hypervisor_is_below(root: Root) -> None:
    root.cpus((0, 0), extra=" hypervisor")
    root.write("sys/class/dmi/id/sys_vendor", "QEMU\n")
    root.write("sys/class/dmi/id/product_name", "Standard PC (Q35 + ICH9, 2009)\n")
    found = host(root.folder)
    assert (found.virtualised, found.hypervisor) == (True, "QEMU Standard PC (Q35 + ICH9, 2009)")


def test_the_firmware_of_a_virtual_arm_machine_tells(root: Root) -> None:
    root.write("proc/cpuinfo", "processor\t: 0\n")
    root.write("sys/class/dmi/id/product_name", "KVM Virtual Machine\n")
    assert host(root.folder).virtualised is True


def test_real_firmware_is_no_virtual_machine(root: Root) -> None:
    root.cpus((0, 0))
    root.write("sys/class/dmi/id/sys_vendor", "Supermicro\n")
    assert host(root.folder).virtualised is False


@pytest.mark.parametrize(
    ("path", "text", "container"),
    [
        (".dockerenv", "", "docker"),
        ("run/.containerenv", "", "podman"),
        (".singularity.d/env", "", "apptainer"),
        ("proc/1/environ", "PATH=/bin\0container=lxc\0", "lxc"),
        ("proc/1/cgroup", "0::/kubepods/burstable/pod1\n", "kubepods"),
        ("proc/1/cgroup", "0::/init.scope\n", None),
        ("proc/1/environ", "PATH=/bin\0MYcontainer=lxc\0", None),
    ],
)
def test_containers(root: Root, path: str, text: str, container: str | None) -> None:
    root.write(path, text)
    assert host(root.folder).container == container


def size(root: Root) -> tuple[float, str]:
    found = memory(root.folder)
    assert found is not None
    return found.size_gib, found.source


def test_memory_of_the_machine(root: Root) -> None:
    assert size(root) == (256.0, "machine (MemTotal)")


@pytest.mark.parametrize("path", ["sys/fs/cgroup/memory.max", "sys/fs/cgroup/a/memory.max"])
def test_the_smallest_limit_around_the_process_counts(root: Root, path: str) -> None:
    """Limits of the cgroup itself and of every cgroup above it hold."""
    root.write("proc/self/cgroup", "0::/a/b\n")
    root.write("sys/fs/cgroup/a/b/memory.max", f"{64 * GIB}\n")
    root.write(path, f"{32 * GIB}\n")
    assert size(root) == (32.0, "cgroup v2 (memory.max)")


@pytest.mark.parametrize("limit", ["max", str(512 * GIB)])
def test_a_limit_above_the_machine_is_none(root: Root, limit: str) -> None:
    root.write("proc/self/cgroup", "0::/\n")
    root.write("sys/fs/cgroup/memory.max", limit)
    assert size(root) == (256.0, "machine (MemTotal)")


def test_a_limit_of_cgroup_v1(root: Root) -> None:
    root.write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n")
    root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", str(16 * GIB))
    assert size(root) == (16.0, "cgroup v1 (memory.limit_in_bytes)")


def test_half_a_core(root: Root) -> None:
    root.write("proc/self/cgroup", "0::/\n")
    root.write("sys/fs/cgroup/cpu.max", "50000 100000\n")
    assert host(root.folder).usable_cores == 0.5


def test_a_core_quota_of_cgroup_v1(root: Root) -> None:
    root.write("proc/self/cgroup", "3:cpu:/\n")
    root.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "25000\n")
    root.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert host(root.folder).usable_cores == 0.25


def test_no_quota_leaves_the_cores_that_are_allowed(root: Root) -> None:
    root.write("proc/self/cgroup", "0::/\n")
    root.write("sys/fs/cgroup/cpu.max", "max 100000\n")
    assert host(root.folder).usable_cores >= 1


def test_the_name_of_the_system(root: Root) -> None:
    root.write("etc/os-release", 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12"\n')
    assert host(root.folder).os == "Debian GNU/Linux 12"


def test_an_empty_root_is_no_error(tmp_path: Path) -> None:
    """As on a system without `/proc`: what is not told is None."""
    found = host(tmp_path)
    assert (found.cpu_model, found.virtualised, found.container) == (None, None, None)
    assert found.memory is not None
    assert found.memory.source == "machine (sysconf)"


def test_this_machine_fits_into_a_row() -> None:
    found = host().to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["logical_cores"] >= found["usable_cores"] > 0
    assert found["memory"]["size_gib"] > 0
