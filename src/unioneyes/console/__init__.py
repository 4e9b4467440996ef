"""The HTTP API (OpenAPI), the event stream and the pages."""
