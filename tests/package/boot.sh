#!/usr/bin/env bash
# Boots Debian's systemd on a copy-on-write image of this machine, in namespaces of its own: nothing that happens there is
# left behind. Run by tests/package/machine.rs below `unshare --mount --pid --net --cgroup --ipc --uts --fork`.
# usage: boot.sh EMPTY_FOLDER PACKAGE.deb
set -euo pipefail
space=$1 package=$2

mount --make-rprivate /
mount -t tmpfs tmpfs "$space"
mkdir "$space"/{upper,work,root}
mkdir -p "$space/upper/opt"
cp "$package" "$space/upper/opt/sluicegate.deb"
mount -t overlay overlay -o "lowerdir=/,upperdir=$space/upper,workdir=$space/work" "$space/root"
cd "$space/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
for node in null zero full random urandom tty; do
  touch "dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
# What systemd says goes to a file.
touch dev/console
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mkdir run/old
# Only the manager: none of this machine's own services. Its package tools may act.
printf '[Unit]\nDescription=Nothing but the manager\nAllowIsolate=yes\n' >etc/systemd/system/bare.target
rm -f usr/sbin/policy-rc.d
# A machine on which a gateway has run before is not the one that is tried.
rm -rf var/lib/sluicegate etc/sluicegate
# Indexing all man pages after each step proves nothing.
rm -f var/lib/man-db/auto-update
: >etc/machine-id
pivot_root . run/old
umount -l /run/old
export container=test
exec /lib/systemd/systemd --log-target=console --show-status=no --unit=bare.target </dev/null >/dev/console 2>&1
