"""The handlers: each turns a payload into calls of one room, and what comes back into a plain JSON-able dict."""
