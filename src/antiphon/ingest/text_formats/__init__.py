"""Text-like formats, one module each: HTML, EPUB, CSV, mail, Outlook, JSON, XML, notebooks, RTF, source code."""
