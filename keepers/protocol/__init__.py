"""The rules of Hearth as pure functions over integers and bytes: no I/O, no clock, no randomness.

One file a noun; each mirrors what the contracts compute, to the wei and to the second.
The specification is docs/protocol.md; tests/vectors ties both sides together.
"""
