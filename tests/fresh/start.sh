
set -e
machine=$1; shift
mount --bind "$machine" "$machine"
cd "$machine"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
while [ "$1" != -- ]; do mkdir -p ".$1"; mount --rbind -o ro "$1" ".$1"; shift; done; shift
mkdir -p old
pivot_root . old
umount -l /old
cd /
exec "$@"
