"""What does one worker send, how exactly, and how does that compare with other tools?"""
