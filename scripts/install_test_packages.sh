#!/bin/sh
# What some tests need of the system: tesseract, LibreOffice, a browser, a CJK font. Called by `make test`, and only there.
# Installs when root on Debian or Ubuntu; otherwise says what is missing. Tests without it are skipped with a printed reason.
set -u
missing=""
command -v tesseract >/dev/null 2>&1 || missing="$missing tesseract-ocr tesseract-ocr-eng tesseract-ocr-chi-sim"
command -v soffice >/dev/null 2>&1 || missing="$missing libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium fonts-noto-cjk"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "Installing for the tests:$missing" >&2
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/dev/null 2>&1 ||
		echo "That failed; the tests that need it are skipped with a reason." >&2
else
	echo "Missing for some tests, which are skipped with a reason:$missing" >&2
fi
exit 0
