"""The realtime protocol: events, commands, codec, cursor and the pure client reducer (rules R1-R7 of docs/protocol.md)."""
