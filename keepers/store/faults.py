"""Trouble of the database itself (full disk, damaged file, lost server) as an error of ours.

A mistake in a statement, such as a key that exists already, stays what it is: it belongs to the caller.
"""

from __future__ import annotations

from sqlalchemy.exc import DatabaseError, IntegrityError, InterfaceError, ProgrammingError

from keepers.protocol.errors import HearthError


class StoreBroken(HearthError):
    """H1203, which may pass (a full disk may get room again), or H1205 where the file itself is damaged."""


def as_ours(error: BaseException) -> BaseException:
    """`error`, or StoreBroken in its place where the database failed."""
    if not isinstance(error, DatabaseError | InterfaceError) or isinstance(error, IntegrityError | ProgrammingError):
        return error
    words = str(error.orig or error).splitlines()[0][:200]
    damaged = "malformed" in words or "not a database" in words
    made = (
        StoreBroken("H1205", "the database is damaged", (words,))
        if damaged
        else StoreBroken("H1203", "the database cannot be read or written", (words,))
    )
    made.__cause__ = error
    return made
