"""What can one worker send on this host?"""
