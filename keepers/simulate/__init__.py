"""The whole protocol as one object in memory: the reference model of the contracts, one class a contract.

Operations bear the names of the contracts' functions and refuse with the same words; tests run both side by side.
"""
