"""Watches: folders of the server and addresses of the web whose documents are kept up on a schedule."""
