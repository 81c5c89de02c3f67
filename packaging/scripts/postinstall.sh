#!/bin/sh
# After the files are there: deb calls it with "configure" and the old version, rpm with 1 (new) or 2 (update).
# Nothing is enabled: whether Postern is one person's or the machine's is not for a package to say.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	case "$1" in
	configure) [ -z "$2" ] || systemctl try-restart postern.service || true ;;
	2) systemctl try-restart postern.service || true ;;
	esac
fi
exit 0
