"""Jobs: durable background work with leases and fences."""
