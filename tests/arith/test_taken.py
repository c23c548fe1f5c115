"""What a backend takes for its operand, and names that do not exist."""

import pytest

from pocketnn.arith import OPS, Interval, Lockstep, Native, Overflow, Reference, Register, Role, Vector, Word
from pocketnn.arith.backend import Around, Backend, check_taken
from pocketnn.errors import UsageError

REGISTER = Register(Role.INPUT, Word(8), Overflow.WRAP)
MADE = {
    "Reference": Reference,
    "Vector": Vector,
    "Native": Native,
    "Interval": Interval,
    "Lockstep": lambda: Lockstep(Reference(), Vector()),
}


class Open(Backend):
    """A backend that does not say what it takes."""

    def apply(self, op, args, to, site):
        raise NotImplementedError


class Passing(Around):
    """A backend around another."""

    def apply(self, op, args, to, site):
        return self.inner.apply(op, args, to, site)


def value(name):
    return MADE[name]().apply(OPS["load"], ([1, 2],), REGISTER, "x").value


@pytest.mark.parametrize("ours", MADE)
@pytest.mark.parametrize("theirs", MADE)
def test_a_backend_takes_its_own_values_alone(ours, theirs):
    backend = MADE[ours]()
    assert backend.takes(value(theirs)) == (ours == theirs)
    assert Passing(backend).takes(value(theirs)) == (ours == theirs)
    assert Open().takes(value(theirs))
    if ours != theirs:
        with pytest.raises(UsageError, match=rf"^here: .* is no value of {ours}; load it first"):
            check_taken(backend, (value(ours), value(theirs)), "here")


def test_modes_and_roles_that_do_not_exist_are_named():
    with pytest.raises(UsageError, match="overflow is 'saturating'; there are 'wrap' and 'saturate'"):
        Overflow("saturating")
    with pytest.raises(UsageError, match="role is 'inputs'; there are input, weight, "):
        Role("inputs")
    assert Register("input", 8, "wrap") == REGISTER
    assert Word.of(8) is not None
    assert Word.of(REGISTER.word) is REGISTER.word
