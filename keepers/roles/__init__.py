"""One folder a role: `role.py` (class, timers, routes), `tables.py`, `observe.py`, `decide.py` (pure), a file a verb.

Roles know nothing of each other; they meet in `keepers.protocol` and over `keepers.wire`.
"""
