"""What does an operator need beside the code to put Tonnage to work?"""
