"""`hearth demo`: a market on one machine.

`scenario` acts through the SDK as anybody could; `printout` says what happened.
"""
