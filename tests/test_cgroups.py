"""The cores that control groups allow, on trees like those of real systems."""

import os
from math import inf

import pytest

from router.cgroups import quota, runnable_cores, usable_cores


@pytest.fixture
def system(tmp_path):
    """Writes files below a root of its own, and returns it."""

    def write(**files: str):
        for name, content in files["files"].items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return lambda files: write(files=files)


V2 = {"proc/self/cgroup": "0::/\n"}
V1 = {"proc/self/cgroup": "12:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n1:name=systemd:/docker/ab\n"}
V1_CPU = "sys/fs/cgroup/cpu,cpuacct"


def test_a_container_of_version_2_sees_its_quota_at_the_root(system):
    assert quota(system({**V2, "sys/fs/cgroup/cpu.max": "150000 100000\n"})) == 1.5


def test_the_smallest_quota_on_the_way_up_counts(system):
    root = system(
        {
            "proc/self/cgroup": "0::/kubepods.slice/pod1/router\n",
            "sys/fs/cgroup/kubepods.slice/cpu.max": "200000 100000\n",
            "sys/fs/cgroup/kubepods.slice/pod1/cpu.max": "800000 100000\n",
            "sys/fs/cgroup/kubepods.slice/pod1/router/cpu.max": "max 100000\n",
        }
    )
    assert quota(root) == 2.0


def test_a_group_outside_of_what_is_mounted_is_that_of_the_mount(system):
    root = system({"proc/self/cgroup": "0::/../../other\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"})
    assert quota(root) == 0.5


@pytest.mark.parametrize("folder", ["", "docker/ab/"])
def test_version_1_has_two_files_in_the_group_or_at_the_mount_of_a_container(system, folder):
    files = {f"{V1_CPU}/{folder}cpu.cfs_quota_us": "300000\n", f"{V1_CPU}/{folder}cpu.cfs_period_us": "100000\n"}
    assert quota(system({**V1, **files})) == 3.0


@pytest.mark.parametrize(
    "files",
    [
        {},
        V2,
        {**V2, "sys/fs/cgroup/cpu.max": "max 100000\n"},
        {**V2, "sys/fs/cgroup/cpu.max": "nonsense\n"},
        {**V1, f"{V1_CPU}/cpu.cfs_quota_us": "-1\n", f"{V1_CPU}/cpu.cfs_period_us": "100000\n"},
    ],
    ids=["no system", "no file", "max", "nonsense", "version 1 without"],
)
def test_no_quota_is_no_bound(system, files):
    root = system(files)
    assert quota(root) == inf
    assert usable_cores(root) == runnable_cores()


def test_the_cores_are_those_it_may_run_on_and_no_more_than_the_quota(system):
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores(system(V2)) == 1.0
        assert usable_cores(system({**V2, "sys/fs/cgroup/cpu.max": "25000 100000\n"})) == 0.25
    finally:
        os.sched_setaffinity(0, allowed)


def test_this_machine_can_be_read():
    assert 0 < usable_cores() <= runnable_cores()
