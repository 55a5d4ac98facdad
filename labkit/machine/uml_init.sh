#!/bin/sh
# First process of a lab's User-Mode Linux: mounts, modules on demand, then the view and the agent in it.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec 2>>"$LABKIT_FOLDER/linux.log"
# mount is setuid, and in a user namespace with one id its owner is nobody, whom root would become here. The loader
# starts a program without regard to that bit. Each program that is started takes 0.02 s of the lab's opening.
mount() { /lib64/ld-linux-x86-64.so.2 /usr/bin/mount "$@"; }
mount -t proc proc /proc
# modprobe looks there for what is loaded: without one of its own it would see the running kernel's modules.
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
# Its list of processors lacks the line that ps looks for, without which `ps aux` ends with an error (view.py).
{ while read -r line; do echo "$line"; done; printf 'core id\t\t: 0\n\n'; } </proc/cpuinfo >/run/labkit-cpuinfo
# The kernel loads modules (ip_vs, its schedulers, dummy, nf_tables, …) when they are first used.
echo "$LABKIT_FOLDER/modprobe" >/proc/sys/kernel/modprobe
exec 0<>/dev/ttyS0 1>&0
. "$LABKIT_FOLDER/view.sh"
