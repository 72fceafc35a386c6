"""What controller and workers must agree on, bit for bit."""
