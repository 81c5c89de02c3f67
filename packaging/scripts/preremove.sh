#!/bin/sh
# Before the files go: deb calls it with "remove" or "upgrade", rpm with 0 (gone) or 1 (update).
set -e
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl --no-reload disable --now postern.socket postern.service >/dev/null 2>&1 || true
		systemctl --global disable postern.socket postern.service >/dev/null 2>&1 || true
	fi
	;;
esac
exit 0
