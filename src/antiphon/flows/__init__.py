"""Flow definitions, node descriptors, validation against a catalogue and planning. Pure: nothing runs here."""
