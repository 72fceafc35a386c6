"""Targets and fleets in virtual time, behind the same ports."""
