"""Tools of the house: compile, export, snapshot and lint the contracts. Not ape scripts; each is also a module.

Run them from the root of the repository, `python tools/<name>.py --help`.
"""
