"""What comes in and goes out over HTTP, as pydantic models; the only place that knows them."""
