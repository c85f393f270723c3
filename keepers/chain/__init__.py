"""The only package that speaks to a chain: endpoints, heads, logs, typed contracts, proofs, keys.

Roles see it through the Protocols of `ports.py`, which the reference model implements as well.
"""
