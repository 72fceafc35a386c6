"""How near the truth does a search come, how surely, and at what cost to the target?"""
