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
# A tunnel's module that one room has loaded would otherwise put a device into every later one.
echo 2 >/proc/sys/net/core/fb_tunnels_only_for_init_net
# The kernel loads modules (ip_vs, its schedulers, dummy, nf_tables, …) when they are first used.
echo "$LABKIT_FOLDER/modprobe" >/proc/sys/kernel/modprobe
exec 0<>/dev/ttyS0 1>&0
# In one room after another: view.sh makes new namespaces and files in memory each time, and its agent ends by 42 (ANEW) to have
# the next. By then nothing of it may be left: bubblewrap does not wait for what it kills. Any other end is the guest's, too.
empty() {
    for each in /proc/[0-9]*; do
        [ "$each" = /proc/1 ] || [ ! -e "$each/exe" ] || return 1 # the kernel's own run no file
    done
}
while
    . "$LABKIT_FOLDER/view.sh"
    [ $? = 42 ]
do
    until empty; do :; done
done
