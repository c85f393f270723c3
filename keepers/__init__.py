"""Keepers of Hearth: the programs that bring facts to the contracts, and the tools of the people who use it.

`protocol` holds the pure rules; every other package may use it, it uses none of them.
"""
