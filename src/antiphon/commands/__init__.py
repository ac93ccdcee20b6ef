"""ONE table: verb -> payload, right, handler. REST, sockets, gateways and command line call the same handlers."""
