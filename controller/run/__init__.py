"""The shell around the search: one conductor per run, and the runs' life-cycle."""
