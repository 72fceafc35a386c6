"""The search for a capacity: pure folds over what the fleet measured."""
