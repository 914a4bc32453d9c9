"""Local processes as a target."""

import pytest

from autoscaler.targets.processes import ProcessTarget


class Group:
    """As small as a process group can be; refuses more than ten."""

    size = 1

    def resize(self, replicas):
        if replicas > 10:
            raise OSError("no more processes")
        self.size = replicas


async def test_the_size_is_passed_on_and_read_back():
    target = ProcessTarget(Group())
    assert target.current() == 1
    await target.scale(3)
    assert target.current() == 3
    assert repr(target) == "<ProcessTarget size=3>"


async def test_a_refusal_comes_through():
    target = ProcessTarget(Group())
    with pytest.raises(OSError, match="no more processes"):
        await target.scale(11)
    assert target.current() == 1
