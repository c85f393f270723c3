"""The `hearth` command: one file a noun, imported when its command is called.

No module here imports web3, eth_account, sqlmodel or httpx at top level: `hearth --help` stays instant.
"""
