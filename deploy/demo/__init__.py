"""What does a model server do whose capacity is known beforehand?"""
