"""Shared by the contract tests: the whole suite on titanoboa, actors named by role, and the numbers they use."""
