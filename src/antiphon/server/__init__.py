"""The HTTP side: REST routes, uploads, files, health, pages, and the composition root that builds the whole house."""
