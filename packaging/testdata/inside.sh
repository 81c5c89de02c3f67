# Runs as root in the system that boot.sh has booted. Ends with "inside: all is well", or at the first thing that
# is not as it should be.
set -uo pipefail
export LC_ALL=C

say() { echo "== $*"; }
die() { echo "inside: FAILED: $*"; journalctl --no-pager -n 60 | sed 's/^/    /'; exit 1; }
must() { echo "\$ $*"; "$@" 2>&1 || die "$*"; }
must_not() { echo "! $*"; "$@" 2>&1 && die "should have failed: $*"; return 0; }
# prints WORDS COMMAND...: the command succeeds and its output has the words.
prints() {
  local words=$1 got; shift
  echo "\$ $*"
  got=$("$@" 2>&1) || { echo "$got"; die "$*"; }
  echo "$got"
  [[ $got == *"$words"* ]] || die "$*: does not print: $words"
}
until_ok() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; die "in vain: $*"; }
greets() { # the IMAP port does
  local greeting
  exec 3<>/dev/tcp/127.0.0.1/1143 && read -r -t 20 greeting <&3 && exec 3>&-
  echo "$greeting"
  [[ $greeting == "* OK "* ]] || die "no greeting"
}
as() { # USER COMMAND...: as a login would, with or without a manager
  local user=$1 uid; shift; uid=$(id -u "$user")
  setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups \
    env -i HOME="/home/$user" USER="$user" PATH="$PATH" LC_ALL=C ${bus+XDG_RUNTIME_DIR="/run/user/$uid"} "$@"
}
ID=00000000-0000-0000-0000-000000000000

say "the package"
must dpkg --install --path-include='/usr/share/*' /postern.deb
must_not systemctl is-active postern
must_not systemctl is-enabled postern
must systemd-analyze verify --man=yes /usr/lib/systemd/system/postern.service /usr/lib/systemd/system/postern.socket
[ -z "$(systemd-analyze verify /usr/lib/systemd/system/postern.service 2>&1)" ] || die "systemd-analyze verify has something to say"

say "the machine's service"
must systemctl enable --now postern
prints active systemctl is-active postern
greets
prints "running since" postern-system status
must postern-system account add scanner@example.com --client-id $ID --flow device
prints scanner@example.com postern-system account list
must postern-system password add scanner@example.com --label scanner
for f in /var/lib/private/postern /var/lib/private/postern/store /var/lib/private/postern/store.key; do
  [ "$(stat -c '%U %#a' $f | sed 's/07/06/')" = "postern 0600" ] || die "$f: $(stat -c '%U %#a' $f)"
done
must systemctl reload postern
# What is wrong is refused, and changes nothing.
printf '[listen]\nimp = ""\n' >/etc/postern/config.toml
must_not systemctl reload postern
prints active systemctl is-active postern
printf '[limits]\nsessions = 7\n' >/etc/postern/config.toml
must systemctl reload postern
pid=$(systemctl show -P MainPID postern)
grep -E '^(CapEff|CapBnd):.*[1-9a-f]' /proc/$pid/status && die "it has capabilities"
grep -q '^Seccomp:.2' /proc/$pid/status || die "no system call filter"
grep -q '^NoNewPrivs:.1' /proc/$pid/status || die "it may get new privileges"
prints "postern" stat -c %U /proc/$pid
must systemctl kill --signal=SIGKILL postern
until_ok systemctl is-active postern
[ "$(systemctl show -P MainPID postern)" != "$pid" ] || die "it was not started again"
printf 'nonsense\n' >/etc/postern/config.toml
must_not systemctl restart postern
sleep 0.2
prints failed sh -c 'systemctl is-active postern || true'    # a wrong configuration is no reason to try again
rm /etc/postern/config.toml
must systemctl reset-failed postern

say "the key as a credential"
install -d -m 0700 /etc/credstore
(umask 077; od -An -tx1 -v -N32 /dev/urandom | tr -d ' \n' >/etc/credstore/postern-key; echo >>/etc/credstore/postern-key)
must systemctl start postern
[ -s /run/credentials/postern.service/postern-key ] || die "the service has no credential"
if postern help | grep -q 'store move'; then
  must postern-system store move credential
  must systemctl restart postern
  prints scanner@example.com postern-system account list
  prints "scanner" postern-system password list
fi

say "a port that systemd holds"
must systemctl stop postern
must systemctl start postern.socket
must_not systemctl is-active postern
greets
prints active systemctl is-active postern
must systemctl disable --now postern.socket postern

say "one person, with a manager"
useradd -m ann; useradd -m bob
must loginctl enable-linger ann
until_ok test -S /run/user/"$(id -u ann)"/systemd/private
bus=1
[ -z "$(as ann systemd-analyze --user verify /usr/lib/systemd/user/postern.service 2>&1)" ] || die "systemd-analyze --user verify has something to say"
must_not as ann postern service status
prints "of the package is the right one" as ann postern service install
prints "now: active" as ann postern service status
greets
must as ann postern account add ann@example.com --client-id $ID
prints "running since" as ann postern status
must as ann systemctl --user reload postern
pid=$(as ann systemctl --user show -P MainPID postern)
grep -q ' / / ro,' /proc/$pid/mountinfo || die "it could write everywhere"
grep -q ' /home/ann/.local/state/postern rw,' /proc/$pid/mountinfo || die "it can not write its state"
grep -E '^(CapEff|CapBnd):.*[1-9a-f]' /proc/$pid/status && die "it has capabilities"
grep -q '^Seccomp:.2' /proc/$pid/status || die "no system call filter"

say "its own unit, in place of the package's"
prints "wrote /home/ann/.config/systemd/user/postern.service" as ann postern --state "/home/ann/my 50% state" --log-level debug service install
prints "now: active" as ann postern service status
prints "running since" as ann postern --state "/home/ann/my 50% state" status
echo '# mine' >>/home/ann/.config/systemd/user/postern.service
must_not as ann postern service install
must_not as ann postern service uninstall
prints "changed by hand" as ann postern service status
prints "kept what was in" as ann postern service install --force
prints "belongs to the package" sh -c "$(declare -f as); bus=1; as ann postern service uninstall; as ann postern service uninstall"
must_not as ann systemctl --user is-active postern
must test -d /home/ann/.local/state/postern/store

say "a daemon in a window is not disturbed"
as ann sh -c 'echo $$ >~/pid; exec postern serve' >/dev/null 2>&1 &
until_ok as ann sh -c 'postern status | grep "running since"'
must_not as ann postern service install
must kill "$(cat /home/ann/pid)"; wait

say "one person without a manager"
unset bus
prints "bob has no user manager" as bob postern service install
must test -L /home/bob/.config/systemd/user/default.target.wants/postern.service
must loginctl enable-linger bob
until_ok as bob sh -c 'postern status | grep "running since"'
must_not as bob postern service install --system

say "for the machine, from another place"
bus=1; must as bob postern service uninstall
cp /usr/bin/postern /usr/local/bin/postern
prints "Postern runs" /usr/local/bin/postern service install --system
grep -q '^ExecStart=/usr/local/bin/postern serve$' /etc/systemd/system/postern.service || die "the wrong program"
prints "running since" /usr/local/sbin/postern-system status
prints "removed /etc/systemd/system/postern.service" /usr/local/bin/postern service uninstall --system
[ ! -e /usr/local/sbin/postern-system ] || die "the helper stays"
rm /usr/local/bin/postern; hash -r

say "an update, and the end of the package"
must systemctl enable --now postern
pid=$(systemctl show -P MainPID postern)
must dpkg --install --path-include='/usr/share/*' /postern.deb
prints active systemctl is-active postern
[ "$(systemctl show -P MainPID postern)" != "$pid" ] || die "the update goes on with the old program"
prints "kept /var/lib/private/postern" dpkg --purge postern
must_not systemctl is-active postern
must test -e /var/lib/private/postern/store
must_not systemctl cat postern
[ ! -e /etc/systemd/system/multi-user.target.wants/postern.service ] || die "a link stays"

echo "inside: all is well"
