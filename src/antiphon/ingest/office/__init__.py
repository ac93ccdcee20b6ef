"""Office formats: DOCX, PPTX, XLSX and OpenDocument read directly, older ones through LibreOffice where it is installed."""
