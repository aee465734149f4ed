"""A local stand-in for Azure that the unpatched SDKs talk to over real TLS sockets, by environment variables alone."""
