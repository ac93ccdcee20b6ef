"""Accounts, workspaces, members and documents: what a team owns, and who may. Imports storage, access and core."""
