"""Why is Locust imported before any test? It patches the process, and must do so first."""

import locust  # noqa: F401
