"""Measurements, not tests: programs that print figures anybody can print again.

`rows` is what `make bench` runs; `ours` measures our contracts on any chain it is given; `chain` is that chain
when the peers' harness is not there.
"""
