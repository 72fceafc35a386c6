"""What does the control plane cost for thousands of workers? See `__main__`."""
