"""A day of a real cluster on virtual time: traces in, a report out.

`traces` reads the files, `orders` decides who takes what, `driver` lives it on a chain, `bill` computes
what each lease must be paid without looking at any of that, `report` writes both down side by side.
"""
