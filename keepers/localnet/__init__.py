"""A network on one machine: `anvil` (the chain), `network` (run folder, deployment, people's settings) and
`processes` (one `hearth up` a person).

Production code throughout: the same deploy script, the same commands, only a compressed clock.
"""
