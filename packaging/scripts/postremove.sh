#!/bin/sh
# After the files are gone. What people own stays, even with purge: refresh tokens are deleted by nothing but
# "postern logout" and "postern account remove".
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload || true
if [ "$1" = purge ] || [ "$1" = 0 ]; then
	for dir in /var/lib/private/postern /etc/postern; do
		[ ! -d "$dir" ] || rmdir "$dir" 2>/dev/null || echo "postern: kept $dir, with accounts or settings in it"
	done
	[ ! -L /var/lib/postern ] || [ -e /var/lib/postern ] || rm -f /var/lib/postern
fi
exit 0
