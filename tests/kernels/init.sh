#!/bin/sh
busybox() { /bin/busybox "$@"; }
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev
for module in /modules/*; do busybox insmod "$module" 2>/dev/null; done
tries=0
until busybox mount -t ext4 /dev/vda /root 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 50 ] || { echo "no root file system"; busybox poweroff -f; }
    busybox sleep 0.1
done
busybox mount --move /dev /root/dev
busybox umount /proc
exec /bin/busybox switch_root /root /bin/sh -c 'mkdir -p /job && tar -x -f /dev/vdb -C /job && exec sh /job/guest -o ro /dev/vdc'
