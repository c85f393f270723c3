"""The renter's and provider's side as a library; the `hearth` command calls nothing else.

`client.Hearth` acts, `offers` reads signed asks and checks each against the chain, `types` is what both speak.
"""
