#!/bin/bash
# boot.sh DEB INSIDE OUT: boots a systemd of its own on a copy of this system that lives in memory, with the package
# in it as /postern.deb, and runs INSIDE there; what that prints lands in OUT. Runs in a mount namespace of its own
# (unshare --mount), so nothing is left.
set -euo pipefail
deb=$1 inside=$2 out=$3
dir=$(mktemp -d)
trap 'rmdir "$dir" 2>/dev/null || true' EXIT
mount --make-rprivate /
mount -t tmpfs -o size=2g none "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
root=$dir/root
cp "$deb" "$root/postern.deb"
cp "$inside" "$root/inside.sh"
rm -rf "$root/etc/machine-id" "$root/var/log/journal" "$root/var/lib/private/postern"
# Nothing but what the test needs: neither the host's services nor its network.
cat >"$root/etc/systemd/system/inside.service" <<'U'
[Service]
Type=oneshot
ExecStart=/bin/bash /inside.sh
StandardOutput=file:/inside.out
StandardError=inherit
TimeoutStartSec=240
ExecStopPost=/bin/systemctl --no-block poweroff
U
cat >"$root/etc/systemd/system/inside.target" <<'U'
[Unit]
Wants=inside.service dbus.service systemd-logind.service
Requires=basic.target
After=basic.target
AllowIsolate=yes
U
timeout --kill-after=10 300 systemd-nspawn --quiet --directory="$root" --register=no --keep-unit --private-network --boot \
  --link-journal=no --console=pipe systemd.unit=inside.target </dev/null >"$dir/console" 2>&1 || cat "$dir/console" >&2
# nspawn leaves its groups; only empty ones can be removed.
find /sys/fs/cgroup -depth -type d \( -path '*/payload/*' -o -name payload -o -name supervisor \) -exec rmdir {} + 2>/dev/null || true
cp "$root/inside.out" "$out"
umount "$root"
umount "$dir"
