"""The suite as it is deployed: the scripts of ape on anvil, a lease's whole life, every exit with all keepers gone."""
