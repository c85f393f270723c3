"""The database of a process: engine by URL, one batch writer, migrations at start.

Everything durable goes through `writer.py`; reads take a connection of their own and see a snapshot.
"""
