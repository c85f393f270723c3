"""A seat of the committee: takes heartbeats, observes, exchanges observations, signs the epoch's report once.

Whatever it signs is stored and synced to disk first; what it merges is a pure function of what all seats hold.
"""
