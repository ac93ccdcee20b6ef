"""The command line: thin commands over the server and the client. `main:run` is the program `antiphon`."""
