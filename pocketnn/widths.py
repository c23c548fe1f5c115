"""Widths: how wide the registers of a machine are, role by role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pocketnn.arith import INT32, MAX_BITS, Role, Word
from pocketnn.errors import UsageError

__all__ = ["Widths"]


@dataclass(frozen=True, slots=True)
class Widths:
    """Word-length assignment: `word` for every role but those named in `roles`, and for the host, which has room.

    Words may be given by their bits, roles by their names. Roles that have `word` all the same are left out, so equal
    assignments are equal and have one text. Raises UsageError for what is neither.
    """

    word: Word = INT32
    roles: Mapping[Role, Word] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.roles, Mapping):
            raise UsageError(f"roles is {self.roles!r}: give words by role, as in {{Role.ACCUMULATOR: Word(32)}}")
        roles = {Role(role): Word.of(word) for role, word in self.roles.items()}
        if Role.HOST in roles:
            raise UsageError(f"the host is no part of the machine and always has {MAX_BITS} bits; leave it out")
        word = Word.of(self.word)
        object.__setattr__(self, "word", word)
        own = {role: roles[role] for role in Role if roles.get(role, word) != word}
        object.__setattr__(self, "roles", own)

    @classmethod
    def of(cls, given: Widths | Word | int | str, accumulator: int | None = None) -> Widths:
        """Widths as they are, one word or its bits for every role, or text for `parse`.

        accumulator: bits of the accumulator where they differ. Raises UsageError for anything else.
        """
        if isinstance(given, str):
            widths = cls.parse(given)
        else:
            widths = given if isinstance(given, Widths) else cls(Word.of(given))
        if accumulator in (None, widths[Role.ACCUMULATOR].bits):
            return widths
        return replace(widths, roles={**widths.roles, Role.ACCUMULATOR: Word.of(accumulator)})

    @classmethod
    def parse(cls, text: str) -> Widths:
        """The opposite of str(): "16", or "8+accumulator=16+loss=16". Raises UsageError for anything else."""
        word, *parts = text.split("+")
        try:
            bits = int(word)
            roles = {Role(role): int(own) for role, own in (part.split("=") for part in parts)}
        except ValueError as error:
            names = ", ".join(role for role in Role if role is not Role.HOST)
            raise UsageError(f"{text!r} is no width: give N, or N+ROLE=N, where ROLE is one of {names}") from error
        return cls(Word(bits), {role: Word(own) for role, own in roles.items()})

    def __getitem__(self, role: Role) -> Word:
        role = Role(role)
        return Word(MAX_BITS) if role is Role.HOST else self.roles.get(role, self.word)

    def __str__(self) -> str:
        return "+".join([str(self.word.bits), *(f"{role.value}={word.bits}" for role, word in self.roles.items())])
