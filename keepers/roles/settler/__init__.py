"""Upkeep that anybody may do: settles, stops and finishes leases, moves node status, redeems, withdraws, pokes.

Idempotent and never urgent: if this process is gone, another settler or the party itself does the same.
"""
