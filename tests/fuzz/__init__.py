"""Long random duels, each a program with a seed (`make fuzz`); short seeded runs of the same stand in the suites."""
