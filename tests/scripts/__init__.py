"""Deploy scripts and tools without a public chain: profiles, plans, journals, linter, snapshots."""
