"""A committee under attack on virtual time: the attester's own code, many seats, a bad network, a strict judge.

chain  the hub's reference model as a chain      net  messages that are lost, late, cut off
seats  honest seats, their clocks and crashes    byzantine  seats that do what they like
judge  what must hold in every epoch             run  one run from a seed, and its report
"""
