"""The service that runs searches."""
