"""The event log: ordered, resumable topics. One ordering authority; transports only read it."""
