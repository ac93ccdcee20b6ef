"""Who may: identities, roles and the one `Scope` that every reading of an owned object demands. Imports core only."""
