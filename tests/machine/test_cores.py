"""How many cores a process may use: by control groups of both kinds, as in containers and outside."""

import math
import os

import pytest

from contrascope.machine.cores import bound_cores, quota, throttled_seconds, usable_cores, whole_threads


def tree(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {"mount": folder / "cgroup", "own": folder / "own"}


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"own": "0::/\n", "cgroup/cpu.max": "50000 100000\n"}, 0.5),  # a container sees its own group as the root
        ({"own": "0::/\n", "cgroup/cpu.max": "max 100000\n"}, math.inf),
        ({"own": "0::/a/b\n", "cgroup/a/cpu.max": "150000 100000\n", "cgroup/a/b/cpu.max": "400000 100000\n"}, 1.5),
        ({"own": "4:memory:/x\n2:cpu,cpuacct:/d\n", "cgroup/cpu/d/cpu.cfs_quota_us": "200000\n", "cgroup/cpu/d/cpu.cfs_period_us": "100000\n"}, 2.0),  # noqa: E501
        ({"own": "1:cpu:/d\n", "cgroup/cpu,cpuacct/d/cpu.cfs_quota_us": "25000\n", "cgroup/cpu,cpuacct/d/cpu.cfs_period_us": "100000\n"}, 0.25),  # noqa: E501
        ({"own": "1:cpu:/d\n", "cgroup/cpu/d/cpu.cfs_quota_us": "-1\n", "cgroup/cpu/d/cpu.cfs_period_us": "100000\n"}, math.inf),  # noqa: E501
        ({"own": "1:cpu:/host/id\n", "cgroup/cpu/cpu.cfs_quota_us": "50000\n", "cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 0.5),  # noqa: E501
        ({"own": "0::/\n", "cgroup/cpu.max": "broken\n"}, math.inf),
        ({}, math.inf),
    ],
)  # fmt: skip
def test_the_quota_is_the_least_of_all_levels(files, cores, tmp_path):
    places = tree(tmp_path, files)
    assert quota(**places) == cores
    assert usable_cores(**places) == min(cores, bound_cores())


def test_cores_that_the_process_is_not_bound_to_do_not_count():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert bound_cores() == 1
        assert usable_cores() <= 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("stat", "seconds"),
    [("nr_throttled 3\nthrottled_usec 2500000\n", 2.5), ("throttled_time 1500000000\n", 1.5), ("", 0.0)],
)
def test_the_time_for_which_a_quota_stopped_the_process(stat, seconds, tmp_path):
    assert throttled_seconds(**tree(tmp_path, {"own": "0::/\n", "cgroup/cpu.stat": stat})) == seconds


@pytest.mark.parametrize(("cores", "threads"), [(0.5, 1), (1.9, 1), (2.0, 2), (3.999, 4), (64.0, 64)])
def test_as_many_threads_as_whole_cores_and_at_least_one(cores, threads):
    assert whole_threads(cores) == threads
